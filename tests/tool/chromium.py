# SPDX-License-Identifier: BSD-2-Clause
"""A page in headless Chromium, driven by its DevTools protocol over a pipe.

Nothing that the browser does by itself leaves the machine: it resolves no names, and each request
of the page is recorded.
"""
import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

FLAGS = ['--headless=new', '--disable-gpu', '--no-first-run', '--disable-background-networking',
         '--disable-component-update', '--disable-sync', '--disable-extensions', '--mute-audio',
         '--disable-dev-shm-usage', '--disable-default-apps', '--force-color-profile=srgb',
         '--font-render-hinting=none', '--host-resolver-rules=MAP * ~NOTFOUND',
         # Neither root nor who is in a chroot can have the sandbox; the pages are our own.
         '--no-sandbox', '--remote-debugging-pipe']


class Failed(Exception):
    """The page did not do what was asked of it."""


class Browser:
    """Used in a with statement; one page, on which everything works."""

    def __init__(self, limit=100):
        self.deadline = time.monotonic() + limit
        self.profile = tempfile.mkdtemp(prefix='chromium-')
        down, up = os.pipe(), os.pipe()

        # The browser reads at 3 and writes at 4.
        def place():
            os.dup2(os.dup(down[0]), 103)
            os.dup2(os.dup(up[1]), 104)
            os.dup2(103, 3)
            os.dup2(104, 4)

        self.process = subprocess.Popen(
            ['chromium', *FLAGS, f'--user-data-dir={self.profile}', 'about:blank'],
            preexec_fn=place, close_fds=False, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True, env={**os.environ, 'HOME': self.profile})
        os.close(down[0])
        os.close(up[1])
        self.to, self.from_ = down[1], up[0]
        self.pending, self.next_id = b'', 1
        self.requests, self.errors, self.loaded = [], [], False
        self.session = None
        pages = self.call('Target.getTargets')['targetInfos']
        target = next(page['targetId'] for page in pages if page['type'] == 'page')
        self.session = self.call('Target.attachToTarget', targetId=target, flatten=True)['sessionId']
        for domain in ('Page', 'Network', 'Runtime', 'Log'):
            self.call(f'{domain}.enable')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        os.close(self.to)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self.process.pid, 9)
        except ProcessLookupError:
            pass
        self.process.wait()
        os.close(self.from_)
        shutil.rmtree(self.profile, ignore_errors=True)

    def message(self):
        while b'\0' not in self.pending:
            left = self.deadline - time.monotonic()
            if left <= 0 or not select.select([self.from_], [], [], left)[0]:
                raise Failed('the browser does not answer')
            data = os.read(self.from_, 1 << 20)
            if not data:
                raise Failed('the browser has ended')
            self.pending += data
        text, _, self.pending = self.pending.partition(b'\0')
        return json.loads(text)

    def event(self, message):
        method, params = message.get('method'), message.get('params', {})
        if method == 'Network.requestWillBeSent':
            self.requests.append(params['request']['url'])
        elif method == 'Runtime.exceptionThrown':
            details = params['exceptionDetails']
            self.errors.append(details.get('exception', {}).get('description', details['text']))
        elif method == 'Log.entryAdded' and params['entry']['level'] == 'error':
            self.errors.append(params['entry']['text'])
        elif method == 'Page.loadEventFired':
            self.loaded = True

    def call(self, method, **params):
        number, self.next_id = self.next_id, self.next_id + 1
        message = {'id': number, 'method': method, 'params': params}
        if self.session:
            message['sessionId'] = self.session
        data = json.dumps(message).encode() + b'\0'
        while data:
            data = data[os.write(self.to, data):]
        while True:
            message = self.message()
            if message.get('id') != number:
                self.event(message)
            elif 'error' in message:
                raise Failed(f'{method}: {message["error"]["message"]}')
            else:
                return message['result']

    def open(self, path, width=1280, height=900, dark=False, script=True):
        """Load a file, as a window of this size with this preference shows it.

        Returns the milliseconds from when it was begun until the second frame, without a script None.
        """
        self.requests, self.errors, self.loaded = [], [], False
        self.call('Emulation.setDeviceMetricsOverride', width=width, height=height,
                  deviceScaleFactor=1, mobile=width < 600)
        self.call('Emulation.setEmulatedMedia', features=[
            {'name': 'prefers-color-scheme', 'value': 'dark' if dark else 'light'}])
        self.call('Emulation.setScriptExecutionDisabled', value=not script)
        self.call('Page.navigate', url='file://' + os.path.abspath(path))
        while not self.loaded:
            self.event(self.message())
        return self.run('new Promise(done => requestAnimationFrame(() => requestAnimationFrame('
                        '() => done(performance.now()))))') if script else None

    def run(self, script):
        """The value of an expression in the page, which may be a promise."""
        result = self.call('Runtime.evaluate', expression=script, returnByValue=True,
                           awaitPromise=True)
        if 'exceptionDetails' in result:
            raise Failed(result['exceptionDetails'].get('exception', {}).get('description', script))
        return result['result'].get('value')

    def key(self, key, text=None, shift=False):
        """Press a key, as a keyboard does."""
        codes = {'Tab': 9, 'Enter': 13, 'Escape': 27, ' ': 32, 'PageUp': 33, 'PageDown': 34,
                 'End': 35, 'Home': 36, 'ArrowLeft': 37, 'ArrowUp': 38, 'ArrowRight': 39,
                 'ArrowDown': 40}
        text = text or ('\r' if key == 'Enter' else key if len(key) == 1 else None)
        params = {'key': key, 'code': key if len(key) > 1 else f'Key{key.upper()}',
                  'windowsVirtualKeyCode': codes.get(key, ord(key[0].upper())),
                  'modifiers': 8 if shift else 0}
        self.call('Input.dispatchKeyEvent', type='keyDown', **params,
                  **({'text': text, 'unmodifiedText': text} if text else {}))
        self.call('Input.dispatchKeyEvent', type='keyUp', **params)

    def type(self, text):
        self.call('Input.insertText', text=text)

    def picture(self, whole=False):
        """A PNG, as text of base64."""
        return self.call('Page.captureScreenshot', format='png', captureBeyondViewport=whole)['data']

    def screenshot(self, whole=False):
        """A PNG's bytes."""
        return base64.b64decode(self.picture(whole))
