# SPDX-License-Identifier: BSD-2-Clause
"""page_check.py SMALL PAGE HOSTILE PAGE SYMBOLS DEVICES PAGE: pages in Chromium say what the commands
say of their images, and more. page_check.py IMAGE PAGE: of this image, the numbers alone. Prints TAP."""
import http.server
import json
import os
import re
import subprocess
import sys
import threading
from fractions import Fraction

from chromium import Browser
from page_layout import check_layout_kept

SMALL, PAGE, HOSTILE, HOSTILE_PAGE, SYMBOLS, DEVICES, DEVICES_PAGE = (sys.argv[1:] + 5 * [''])[:7]
nr_checks = 0


def check(name, is_true, *why):
    global nr_checks
    nr_checks += 1
    print(f'{"ok" if is_true else "not ok"} {nr_checks} - {name}')
    if not is_true:
        for line in why:
            print('#', str(line)[:2000])
    return is_true


def same(name, actual, expected):
    odd = [(a, e) for a, e in zip(actual, expected) if a != e] if isinstance(actual, list) else []
    return check(name, actual == expected, 'actual, expected:', odd[:2] or (actual, expected))


def records(*args):
    """What a command tells, as JSON Lines."""
    run = subprocess.run([os.environ['PGW_TOOL'], *args], stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, check=False)
    return [json.loads(line) for line in run.stdout.splitlines()]


def of_kind(lines, kind):
    return [line for line in lines if line.get('record', line.get('type')) == kind]


def summary(lines):
    return lines[-1].get('summary', lines[-1])


# What is shown of a size in bytes, by this program's own arithmetic: three digits, halves go up.
def size_text(size):
    size, unit = Fraction(size), 0
    while size >= Fraction(1999, 2) and unit < 6:
        size, unit = size / 1024, unit + 1
    digits = 0 if not unit else 2 if size < Fraction(9995, 1000) else 1 if size < Fraction(9995, 100) else 0
    scaled = int(size * 10 ** digits + Fraction(1, 2))
    text = str(scaled).rjust(digits + 1, '0')
    return (f'{text[:-digits]}.{text[-digits:]}' if digits else text) + ' ' + \
        ('B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB')[unit]


GATHER = '''(async () => {
    const [grid] = document.querySelectorAll(%s), rows = new Map();
    const press = key => grid.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
    grid.focus();
    press('Home');
    for (let before = null; grid.getAttribute('aria-activedescendant') !== before;) {
        before = grid.getAttribute('aria-activedescendant');
        for (const row of grid.querySelectorAll('[role=row]'))
            rows.set(Number(row.getAttribute('aria-rowindex')), Array.from(row.children, cell => {
                const copy = cell.cloneNode(true);
                copy.querySelectorAll('small').forEach(small => small.remove());
                return copy.textContent.replaceAll('\\u00a0', ' ').replaceAll('\\u202f', '');
            }));
        press('PageDown');
    }
    return [Number(grid.getAttribute('aria-rowcount')), [...rows.keys()].sort((a, b) => a - b).map(k => rows.get(k))];
})()'''


def grid_rows(browser, selector):
    """All rows that a person sees who goes through a table page by page."""
    count, rows = browser.run(GATHER % json.dumps(selector))
    if count != len(rows):
        raise AssertionError(f'{selector}: {count} rows, {len(rows)} seen')
    return rows


def table(browser, name):
    """A table as the page has it, as the objects of its rows."""
    data = json.loads(browser.run(
        f'document.querySelector(\'script[data-for="{name}"]\')?.textContent') or
        browser.tables[name])
    keys = [column[0] for column in data['columns']]
    return [dict(zip(keys, row)) for row in data['rows']]


def load_tables(browser, path):
    """Scripts of data leave the document when tables are shown; they are in the file."""
    with open(path, encoding='utf-8') as file:
        text = file.read()
    browser.tables = dict(re.findall(
        r'<script type="application/json" class="rows" data-for="([^"]*)">(.*?)</script>', text, re.S))
    browser.spaces = [json.loads(data) for data in re.findall(
        r'<script type="application/json" class="space">(.*?)</script>', text, re.S)]


def check_ranges(browser, image, options):
    """Each address space, row by row, against dump of its root."""
    for index, space in enumerate(browser.spaces):
        browser.run(f'''(() => {{ const choice = document.getElementById('map-space');
            choice.value = {index}; choice.dispatchEvent(new Event('change')); }})()''')
        lines = records('dump', '--json', '--root', space['root'], '--half', space['region'], *options, image)
        expected, total = lines[:-1], summary(lines)
        rows = grid_rows(browser, '#first-ranges [role=grid]')
        wanted = []
        for line in expected:
            rights = '/'.join(line.get(actor, '') for actor in space['actors']) if 'pa' in line else line['kind']
            last = int(line['va'], 16) + line['size'] - 1 if 'repeats' not in line else int(line['last'], 16)
            # That the order of memory types is assumed is a mark behind the type, which is the last one.
            attrs = ' '.join(line.get('attrs', [])) + ('?' if line.get('memory_type_assumed') else '')
            wanted.append([line['va'], f'0x{last:016x}', line.get('pa', '\u2013'), size_text(line['size']),
                           rights, attrs or '\u2013'])
        same(f'ranges of {space["root"]}, {space["region"]}: as dump lists them',
             [row[:4] + row[5:7] for row in rows], wanted)
        same('... and sums them up', [space[key] for key in ('ranges', 'leaves', 'malformed', 'unreadable')] +
             [int(space['bytes'])],
             [total[key] for key in ('ranges', 'leaves', 'malformed', 'unreadable', 'bytes')])


def check_found(browser, image, options):
    """Searching finds what dump's filters do."""
    space = browser.spaces[0]
    browser.run('''(() => { const choice = document.getElementById('map-space');
        choice.value = 0; choice.dispatchEvent(new Event('change')); })()''')
    for word, filters in (('executable', ['--perm', 'k:x']), ('2.00 mib', ['--level', '2M'])):
        lines = records('dump', '--json', '--root', space['root'], '--half', space['region'], *filters,
                        *options, image)[:-1]
        first = [line['va'] for line in lines if 'pa' in line]
        browser.run(f'''(() => {{ const input = document.querySelector('#first-ranges input[type=search]');
            input.value = {json.dumps(word.replace(' ', chr(160)))};
            input.dispatchEvent(new Event('input')); }})()''')
        same(f'searching for "{word}" finds what dump {" ".join(filters)} does',
             [row[0] for row in grid_rows(browser, '#first-ranges [role=grid]')], first)
    browser.run('''(() => { const order = document.querySelector('#first-ranges select');
        document.querySelector('#first-ranges input[type=search]').value = '';
        order.value = 3; order.dispatchEvent(new Event('change')); })()''')
    sizes = [line['size'] for line in records('dump', '--json', '--root', space['root'], '--half',
                                              space['region'], *options, image)[:-1]]
    same('sorting by size', [row[3] for row in grid_rows(browser, '#first-ranges [role=grid]')],
         [size_text(size) for size in sorted(sizes)])


def check_stats(browser, image, options):
    lines = records('stats', '--json', *options, image)
    mix, levels, foreign = [], [], 0
    for line in of_kind(lines, 'root'):
        # The page has spaces of virtual machines and devices, but no statistics of them.
        if 'users' in line:
            foreign += sum(level['tables'] for level in line.get('tables', []))
            continue
        for leaf in line.get('leaves', []):
            mix.append((line['root'], line['region'], leaf['size'], leaf['leaves'], leaf['bytes']))
        for level in line.get('tables', []):
            levels.append((line['root'], line['region'], level['name'], level['tables'], level['bytes'],
                           level['private']))
    for line in of_kind(lines, 'direct_map'):
        for leaf in line['leaves']:
            mix.append((line['root'], 'direct map', leaf['size'], leaf['leaves'], leaf['bytes']))
    same('page sizes: as stats', [tuple(row[key] for key in ('root', 'region', 'size', 'leaves', 'bytes'))
                                  for row in table(browser, 'sizes-table')], mix)
    same('tables by level: as stats', [tuple(row[key] for key in (
        'root', 'region', 'at', 'tables', 'bytes', 'private')) for row in table(browser, 'levels')], levels)
    same('the page tables: as stats', int(browser.run(
        "document.querySelector('#tile-tables data').value")), summary(lines)['tables'] - foreign)


def check_audit(browser, image, options):
    lines = records('audit', '--json', *options, image)
    keys = ('level', 'rule', 'text', 'root', 'region', 'first', 'last', 'count', 'pa', 'entry', 'roots', 'detail')
    findings = of_kind(lines, 'finding')
    same('findings: as audit', [tuple(row[key] for key in keys) for row in table(browser, 'findings-table')],
         [tuple(line.get(key) for key in keys) for line in findings])
    same('... counted', browser.run("Array.from(document.querySelectorAll('#tile-findings data'), d => d.value)"),
         [str(summary(lines)[key]) for key in ('errors', 'warnings', 'notes')])
    same('what was not checked: as audit', [(row['rule'], row['why']) for row in table(browser, 'unchecked')]
         if 'unchecked' in browser.tables else [],
         [(line['rule'], line['why']) for line in of_kind(lines, 'unchecked')])
    if findings:
        rows = grid_rows(browser, '#findings-table [role=grid]')
        same('... and shown', [(row[0], row[1], row[2]) for row in rows],
             [(line['level'], line['rule'], line['text']) for line in findings])


def check_processes(browser, image, options):
    lines = records('ps', '--json', *options, image)
    rows = table(browser, 'processes-table')
    keys = {'pid': 'pid', 'threads': 'threads', 'ppid': 'ppid', 'uid': 'uid', 'state': 'state', 'root': 'root',
            'rss': 'rss', 'tables': 'tables', 'odd': 'odd'}
    same('processes: as ps', [tuple(row[key] for key in keys) for row in rows],
         [tuple(line.get(key) for key in keys.values()) for line in of_kind(lines, 'task')])
    shown = grid_rows(browser, '#processes-table [role=grid]')
    same('... and shown', [row[0] for row in shown], [str(row['pid']) for row in rows])
    return [row[1] for row in shown]


def check_devices(browser, image):
    lines = records('devices', '--json', image)[:-1]
    if not lines:
        check('devices: none, as devices says', 'devices-table' not in browser.tables)
        return
    names = [line.get('device', f'vm {line.get("vm")}') for line in lines]
    same('devices: as devices', [tuple(row[key] for key in ('id', 'domain', 'root', 'format', 'readable', 'writable'))
                                 for row in table(browser, 'devices-table')],
         [(name, line['domain'], line['root'], line['format'], line.get('readable'), line.get('writable'))
          for name, line in zip(names, lines)])
    same('... what they go through', [row['through'] for row in table(browser, 'devices-table')],
         [line.get('through', 'tables') for line in lines])
    same('... and shown', [row[1] for row in grid_rows(browser, '#devices-table [role=grid]')], names)


def check_quiet(browser, path):
    """Nothing leaves the page, by itself or because something in it wants to."""
    same('nothing but the page is asked for', [url for url in browser.requests if not url.startswith('file://')] +
         browser.requests[1:], [])
    same('no error is logged', browser.errors, [])
    asked = []

    class Listener(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    refused = browser.run('''(async () => {
        const url = 'http://127.0.0.1:%d/', refused = [];
        document.addEventListener('securitypolicyviolation', event => refused.push(event.effectiveDirective));
        await fetch(url + 'fetch').catch(() => 0);
        for (const [tag, name] of [['img', 'src'], ['script', 'src'], ['link', 'href'], ['iframe', 'src']]) {
            const made = document.createElement(tag);
            made.rel = 'stylesheet';
            made[name] = url + tag;
            document.body.append(made);
        }
        const script = document.createElement('script');
        script.textContent = 'window.planted = 1';
        document.body.append(script);
        document.body.insertAdjacentHTML('beforeend', '<b onclick="planted = 1" style="color: red">x</b>');
        document.body.lastChild.click();
        const wanted = ['connect-src', 'frame-src', 'img-src', 'script-src-elem', 'style-src-elem'];
        for (const start = performance.now(); performance.now() - start < 20000;) {
            if (wanted.every(directive => refused.includes(directive)))
                break;
            await new Promise(done => setTimeout(done, 20));
        }
        return [wanted.filter(directive => !refused.includes(directive)), window.planted ?? null,
            getComputedStyle(document.body.lastChild).color === 'rgb(255, 0, 0)'];
    })()''' % server.server_port)
    server.shutdown()
    same('what a page could ask for is refused by its policy', [asked, refused[0]], [[], []])
    same('... and so is script and style that is not its own', refused[1:], [None, False])


def check_keyboard(browser):
    """Tab reaches all that can be used, and it shows where one is."""
    browser.run('document.body.focus(); window.scrollTo(0, 0)')
    wanted = browser.run('''(() => {
        let n = 0;
        for (const e of document.querySelectorAll('a[href], button, input, select, canvas, [role=grid]'))
            if (e.tabIndex >= 0 && e.checkVisibility())
                e.dataset.stop = n++;
        return n;
    })()''')
    reached, unseen = set(), []
    for _ in range(wanted + 5):
        browser.key('Tab')
        stop = browser.run('''(() => {
            const e = document.activeElement, style = getComputedStyle(e);
            return [e.dataset.stop ?? null, e.outerHTML.slice(0, 80), style.outlineStyle !== 'none'];
        })()''')
        if stop[0] is None:
            break
        reached.add(int(stop[0]))
        if not stop[2]:
            unseen.append(stop[1])
    same(f'Tab reaches all {wanted} things that can be used', sorted(reached), list(range(wanted)))
    same('... and each shows that it has the focus', unseen, [])


def check_map_keys(browser):
    focus = "document.activeElement.matches('%s')"
    detail = "document.querySelector('#map-detail dd').textContent"
    browser.run("document.querySelector('#map canvas').focus()")
    before = browser.run(detail)
    browser.key('ArrowRight')
    browser.key('ArrowRight')
    after = browser.run(detail)
    picture = "document.querySelector('#map canvas').toDataURL().length + document.querySelector('#map canvas').toDataURL()"
    whole = browser.run(picture)
    browser.key('+')
    near = browser.run(picture)
    check('the map: arrows choose ranges, + zooms', before != after and whole != near, before, after)
    browser.key('ArrowLeft', shift=True)
    check('... Shift and arrows pan', browser.run(picture) != near)
    browser.key('0')
    same('... 0 shows the whole', browser.run(picture) == whole, True)
    browser.key('Enter')
    row = browser.run('''(() => { const g = document.activeElement;
        return [g.getAttribute('role'), document.getElementById(g.getAttribute('aria-activedescendant'))
            .children[0].textContent]; })()''')
    same('... Enter goes to the row in the table', row, ['grid', after.split()[0]])
    browser.key('Enter')
    check('a row opens by Enter, with a button to the map', browser.run(
        "document.activeElement.textContent === 'Show in the map'"))
    browser.key('Escape')
    check('... Escape closes it', browser.run(focus % '[role=grid]'))
    browser.key('Enter')
    browser.key('Enter')
    check('... the button leads to the map, and to the range', browser.run(focus % 'canvas') and
          browser.run(detail) == after)
    browser.run("document.querySelector('#map form input').focus()")
    browser.type(after.split()[0])
    browser.key('Enter')
    check('an address can be typed', browser.run(focus % 'canvas') and browser.run(detail) == after)


CONTRAST = '''(() => {
    const numbers = text => text.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const back = e => {
        for (; e; e = e.parentElement) {
            const color = numbers(getComputedStyle(e).backgroundColor);
            if (color.length < 4 || color[3] > 0)
                return color;
        }
        return [255, 255, 255];
    };
    const poor = new Map();
    let n = 0;
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const e = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || !e.checkVisibility() || e.closest('script, style, noscript'))
            continue;
        const a = light(numbers(getComputedStyle(e).color)), b = light(back(e));
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        n++;
        if (ratio < 4.5)
            poor.set(e.className + ' ' + e.tagName, ratio.toFixed(2) + ' ' + walker.currentNode.data.slice(0, 20));
    }
    return [n, [...poor]];
})()'''


def check_contrast(browser, theme):
    """WCAG 2.1, 1.4.3: 4.5 to 1 for text."""
    count, poor = browser.run(CONTRAST)
    check(f'{theme}: contrast of {count} texts is at least 4.5', count > 100 and not poor, poor)


def linear(color):
    return [c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in color]


# Machado, Oliveira and Fernandes 2009, severity 1: protanopia, deuteranopia, tritanopia.
EYES = {
    'all colours': ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    'protanopia': ((.152286, 1.052583, -.204868), (.114503, .786281, .099216), (-.003882, -.048116, 1.051998)),
    'deuteranopia': ((.367322, .860646, -.227968), (.280085, .672501, .047413), (-.011820, .042940, .968881)),
    'tritanopia': ((1.255528, -.076749, -.178779), (-.078411, .930809, .147602), (.004733, .691367, .303900)),
}


def lab(rgb):
    x = [sum(m * min(max(c, 0), 1) for m, c in zip(row, rgb)) for row in
         ((.4124, .3576, .1805), (.2126, .7152, .0722), (.0193, .1192, .9505))]
    f = [v ** (1 / 3) if v > .008856 else 7.787 * v + 16 / 116
         for v in (x[0] / .95047, x[1], x[2] / 1.08883)]
    return 116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])


def check_palette(browser, theme):
    """Any two colours of the map differ for any eye: by CIE76, 10 is plainly seen."""
    colors = browser.run('''[0, 1, 2, 3, 4, 5].map(i => getComputedStyle(document.querySelector('.key.use' + i))
        .backgroundColor.match(/\\d+/g).map(Number))''')
    alike = []
    for eye, matrix in EYES.items():
        seen = [lab([sum(m * c for m, c in zip(row, linear(color))) for row in matrix]) for color in colors]
        for i in range(6):
            for k in range(i):
                distance = sum((a - b) ** 2 for a, b in zip(seen[i], seen[k])) ** .5
                if distance < 10:
                    alike.append((eye, k, i, round(distance, 1)))
    same(f'{theme}: colours of the map are told apart by any eye', alike, [])


# Of a phone, innerWidth grows with what is too wide.
BOXES = '''(width => {
    const box = e => { const r = e.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom]; };
    const out = [], over = [];
    for (const e of document.querySelectorAll('body *')) {
        const [left, , right] = box(e);
        if (e.checkVisibility() && right > left && !e.closest('svg, .hidden, .ruler, .skip') &&
            (left < -0.5 || right > width + 0.5))
            out.push(e.tagName + '.' + e.className);
    }
    const apart = list => list.every(([a, e], i) => list.every(([b], k) => k <= i ||
        a[2] <= b[0] + 0.5 || b[2] <= a[0] + 0.5 || a[3] <= b[1] + 0.5 || b[3] <= a[1] + 0.5));
    for (const parent of document.querySelectorAll('main, .tiles, [role=row], .tools, .legend, .mixes li')) {
        const children = Array.from(parent.children).filter(e => e.checkVisibility()).map(e => [box(e), e]);
        if (!apart(children))
            over.push(parent.tagName + '.' + parent.className + ' ' + parent.textContent.slice(0, 40));
    }
    const tops = new Set(Array.from(document.querySelectorAll('.tile'), e => Math.round(box(e)[1])));
    return [document.documentElement.scrollWidth <= width && innerWidth <= width, [...new Set(out)], [...new Set(over)],
        tops.size, Array.from(document.querySelectorAll('section'), e => e.id)];
})(%d)'''


def check_layout(browser, width, rows, has_script):
    """Bounding boxes: nothing is cut off, nothing lies on something else."""
    fits, out, over, tiles, sections = browser.run(BOXES % width)
    name = f'{width} pixels{"" if has_script else ", no script"}'
    check(f'{name}: no scrolling to the side', fits)
    # Without the script a wide table scrolls by itself.
    same('... nothing reaches beyond the window', out if has_script or width < 700 else [], [])
    same('... nothing lies on something else', over, [])
    same('... parts are there, in order', sections,
         ['map', 'sizes', 'findings', 'ranges', 'processes', 'devices', 'roots'])
    same('... rows of numbers', tiles, rows)


def check_drawn(browser):
    """The map has blocks, in more than one of its colours."""
    kinds = browser.run('''(() => {
        const canvas = document.querySelector('#map canvas'), seen = new Map();
        const { data } = canvas.getContext('2d').getImageData(0, 46, canvas.width, 90);
        for (let i = 0; i < data.length; i += 4) {
            const color = `rgb(${data[i]}, ${data[i + 1]}, ${data[i + 2]})`;
            seen.set(color, (seen.get(color) ?? 0) + 1);
        }
        return [1, 2, 3].map(use => seen.get(getComputedStyle(document.querySelector('.key.use' + use))
            .backgroundColor) ?? 0);
    })()''')
    check('the map is drawn', all(count > 50 for count in kinds), kinds)


def check_hostile(browser, names):
    same('hostile names are no markup', browser.run(
        '''[document.querySelectorAll('img, #planted, iframe, [onerror]').length,
            document.querySelectorAll('body > script:not([class])').length]'''), [0, 1])
    same('... and are seen for what they are', [name for name in names if '<' in name],
         ['<b id=planted>\'', '\\xe2\\x80\\xa8\\x1b[31m\\xc2\\x85<!--', '</script>\\xe2\\x80\\xae\\xff&"'])
    same('... nor is the name of a file', browser.run(
        "[document.title, document.querySelector('h1 bdi').textContent]"),
         ["<img src=x>&'.elf - pagewalk", "<img src=x>&'.elf"])


def check_no_script(browser):
    browser.open(PAGE, 390, 844, script=False)
    text = browser.run('document.body.innerText')
    check('without its script: numbers and first rows are there, and what is not is said',
          'Without its script' in text and 'These are the first 40 rows of' in text and
          browser.run("document.querySelectorAll('#first-ranges tbody tr').length") == 40)
    check_layout(browser, 390, 3, False)


def check_numbers(browser):
    load_tables(browser, PAGE)
    browser.open(PAGE)
    check_ranges(browser, SMALL, [])
    check_found(browser, SMALL, [])
    check_stats(browser, SMALL, [])
    check_audit(browser, SMALL, [])
    if 'processes-table' in browser.tables:
        check_processes(browser, SMALL, [])
    check_devices(browser, SMALL)
    same('no error is logged', browser.errors, [])


def main():
    with Browser() as browser:
        check_numbers(browser)
        if not HOSTILE:
            print(f'1..{nr_checks}')
            return
        browser.open(PAGE)
        check_layout(browser, 1280, 1, True)
        check_drawn(browser)
        check_keyboard(browser)
        check_map_keys(browser)
        for dark in (False, True):
            browser.open(PAGE, 390, 844, dark)
            theme = 'dark' if dark else 'light'
            check_contrast(browser, theme)
            check_palette(browser, theme)
        check_layout(browser, 390, 3, True)
        check_drawn(browser)
        check_no_script(browser)
        check_layout_kept(browser, PAGE, check)

        load_tables(browser, HOSTILE_PAGE)
        browser.open(HOSTILE_PAGE)
        options = [f'--symbols={SYMBOLS}']
        check_ranges(browser, HOSTILE, [])
        check_audit(browser, HOSTILE, options)
        check_hostile(browser, check_processes(browser, HOSTILE, options))
        check_quiet(browser, HOSTILE_PAGE)

        load_tables(browser, DEVICES_PAGE)
        browser.open(DEVICES_PAGE)
        check_devices(browser, DEVICES)
    print(f'1..{nr_checks}')


main()
