# SPDX-License-Identifier: BSD-2-Clause
"""Where the parts of a page are, and roughly what they look like, compared with what was looked at and found good:
tests/data/page-layout.json. Fonts differ from machine to machine, so boxes may differ somewhat, and pictures are
compared in 32 times 32 cells, of which each has a mean luminance.

page_layout.py PAGE prints what the file is to be, after a change that was looked at.
"""
import json
import pathlib
import sys
import tempfile

WANTED = pathlib.Path(__file__).resolve().parent.parent / 'data' / 'page-layout.json'
WIDTHS = {'desktop': (1280, 900), 'phone': (390, 844)}
CELLS = 32
# Of the window's width; fonts of other widths break lines in other places.
SIDE, HEIGHT = 0.03, 0.35
# With DejaVu Serif in place of DejaVu Sans, luminances differ by 2.2 at most.
LUMINANCE, FAR, FAR_CELLS = 6, 70, 30

# Tops and heights are in widths of the window, too.
BOXES = '''(width => {
    const boxes = {};
    for (const [name, selector] of Object.entries({
        header: 'header', navigation: 'nav', tiles: '.tiles', first_tile: '.tile', last_tile: '.tile:last-child',
        map: '#map', canvas: '#map canvas', sizes: '#sizes', findings: '#findings', ranges: '#ranges',
        rows: '#ranges [role=grid]', search: '#ranges input[type=search]', processes: '#processes',
        devices: '#devices', roots: '#roots', footer: 'footer' })) {
        const box = document.querySelector(selector)?.getBoundingClientRect();
        if (box)
            boxes[name] = [box.left, box.right, box.top + scrollY, box.height].map(v => Math.round(v / width * 1e4) / 1e4);
    }
    return boxes;
})(%d)'''

# A page of its own reads the picture: the report's policy lets it read none.
SHRINK = '''(async () => {
    const bytes = Uint8Array.from(atob('%s'), c => c.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height), to = canvas.getContext('2d');
    to.drawImage(bitmap, 0, 0);
    const { data } = to.getImageData(0, 0, bitmap.width, bitmap.height), n = %d;
    const sums = new Float64Array(n * n), counts = new Float64Array(n * n);
    for (let y = 0; y < bitmap.height; y++)
        for (let x = 0; x < bitmap.width; x++) {
            const cell = Math.floor(y * n / bitmap.height) * n + Math.floor(x * n / bitmap.width);
            const at = 4 * (y * bitmap.width + x);
            sums[cell] += .2126 * data[at] + .7152 * data[at + 1] + .0722 * data[at + 2];
            counts[cell]++;
        }
    return Array.from(sums, (sum, cell) => Math.round(sum / counts[cell]));
})()'''


def look(browser, page, name, dark):
    """(boxes, cells) of a page in a window."""
    width, height = WIDTHS[name]
    browser.open(page, width, height, dark)
    boxes, picture = browser.run(BOXES % width), browser.picture()
    with tempfile.NamedTemporaryFile(suffix='.html') as empty:
        browser.open(empty.name)
        return boxes, browser.run(SHRINK % (picture, CELLS))


def boxes_differ(boxes, wanted):
    """What is not where it was: sides closely, the height and what is above it by how much there is."""
    odd = [f'{name}: {"gone" if name in wanted else "new"}' for name in boxes.keys() ^ wanted.keys()]
    for name in boxes.keys() & wanted.keys():
        (left, right, top, height), (left_, right_, top_, height_) = boxes[name], wanted[name]
        if abs(left - left_) > SIDE or abs(right - right_) > SIDE:
            odd.append(f'{name}: from {left} to {right}, not from {left_} to {right_}')
        if abs(height - height_) > SIDE + HEIGHT * height_ or abs(top - top_) > SIDE + HEIGHT * top_:
            odd.append(f'{name}: {height} high at {top}, not {height_} at {top_}')
    return odd


def cells_differ(cells, wanted):
    """(mean difference, cells that are far off)"""
    away = [abs(a - b) for a, b in zip(cells, wanted)]
    return sum(away) / len(away), sum(a > FAR for a in away)


def check_layout_kept(browser, page, check):
    wanted = json.loads(WANTED.read_text(encoding='ascii'))
    for name in WIDTHS:
        for theme in ('light', 'dark'):
            boxes, cells = look(browser, page, name, theme == 'dark')
            odd = boxes_differ(boxes, wanted[name]['boxes'])
            check(f'{name}, {theme}: all is where it was', not odd, *odd)
            mean, far = cells_differ(cells, wanted[name][theme])
            check('... and looks as it did', mean <= LUMINANCE and far <= FAR_CELLS,
                  f'luminances differ by {mean:.1f}, {far} cells by much')
    browser.open(page, *WIDTHS['desktop'])
    browser.run("document.querySelector('.tiles').style.display = 'block'")
    odd = boxes_differ(browser.run(BOXES % WIDTHS['desktop'][0]), wanted['desktop']['boxes'])
    check('tiles that are below each other are noticed', any(line.startswith('last_tile') for line in odd), *odd)
    other = cells_differ(wanted['phone']['light'], wanted['phone']['dark'])
    check('what is told apart that way: light and dark', other[0] > LUMINANCE, other)
    other = cells_differ(wanted['desktop']['light'], wanted['phone']['light'])
    check('... the two widths', other[0] > LUMINANCE or other[1] > FAR_CELLS, other)


def main(page):
    from chromium import Browser
    kept = {}
    with Browser() as browser:
        for name in WIDTHS:
            boxes, light = look(browser, page, name, False)
            kept[name] = {'boxes': boxes, 'light': light, 'dark': look(browser, page, name, True)[1]}
    parts = [f' {json.dumps(name)}: {{\n' + ',\n'.join(f'  {json.dumps(key)}: {json.dumps(value)}'
                                                     for key, value in of.items()) + '}' for name, of in kept.items()]
    print('{\n' + ',\n'.join(parts) + '}')


if __name__ == '__main__':
    main(sys.argv[1])
