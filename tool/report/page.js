// SPDX-License-Identifier: BSD-2-Clause
// What a page of pagewalk report does beside being read: the map of address spaces, and tables that
// are searched and sorted. All data is in the page; nothing is asked for anywhere. Text of the
// image becomes text nodes and nothing else.
'use strict';
(() => {

const UNIT = 4096; // bytes; addresses of ranges are counted in these, which are exact as doubles
const USES = ['none', 'read only', 'writable', 'executable', 'writable and executable', 'odd'];
const LETTERS = ['-', 'R', 'W', 'X', 'WX', '!'];
const BOTH = 4, ODD = 5;

// ---- small things ------------------------------------------------------------------------------

function element(tag, attributes = {}, ...children) {
	const made = document.createElement(tag);

	for (const [name, value] of Object.entries(attributes))
		if (value === true)
			made.setAttribute(name, '');
		else if (value !== false && value !== null)
			made.setAttribute(name, value);
	made.append(...children);
	return made;
}

function clamp(value, least, most) {
	return Math.max(least, Math.min(most, value));
}

function hex(units, add = 0) {
	return '0x' + (BigInt(units) * BigInt(UNIT) + BigInt(add)).toString(16).padStart(16, '0');
}

// Of an address in hexadecimal: the unit that it is in.
function units(text) {
	return Number(BigInt(text) / BigInt(UNIT));
}

function bytesText(value) {
	const names = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];
	let unit = 0;

	for (value = Number(value); value >= 999.5 && unit < 6; unit++)
		value /= 1024;
	return value.toFixed(!unit ? 0 : value < 9.995 ? 2 : value < 99.95 ? 1 : 0) + '\u00a0' + names[unit];
}

function countText(value) {
	return String(value).replace(/\B(?=(\d{3})+$)/g, '\u202f');
}

// The first index in [0, n) for which is(index) holds; it holds for all that follow.
function firstIndex(n, is) {
	let low = 0;

	while (low < n) {
		const middle = (low + n) >>> 1;

		if (is(middle))
			n = middle;
		else
			low = middle + 1;
	}
	return low;
}

// Indices by ascending keys, which are integers from 0 to 2^53; equal ones stay in order.
function sortedByKey(indices, key) {
	const keys = Float64Array.from(indices, key);
	let from = Uint32Array.from(indices.keys()), to = new Uint32Array(from.length);

	const most = keys.reduce((a, b) => Math.max(a, b), 0);

	for (let digit = 1; digit <= most; digit *= 65536) {
		const starts = new Uint32Array(65537);

		for (let i = 0; i < from.length; i++)
			starts[Math.floor(keys[from[i]] / digit) % 65536 + 1]++;
		for (let i = 0; i < 65536; i++)
			starts[i + 1] += starts[i];
		for (let i = 0; i < from.length; i++)
			to[starts[Math.floor(keys[from[i]] / digit) % 65536]++] = from[i];
		[from, to] = [to, from];
	}
	return from.map(i => indices[i]);
}

// ---- address spaces ----------------------------------------------------------------------------

function bytesOf(base64) {
	if (Uint8Array.fromBase64)
		return Uint8Array.fromBase64(base64);
	const text = atob(base64), bytes = new Uint8Array(text.length);

	for (let i = 0; i < text.length; i++)
		bytes[i] = text.charCodeAt(i);
	return bytes;
}

class Space {
	constructor(meta, data) {
		Object.assign(this, JSON.parse(meta.textContent));
		this.data = data;
		this.uses = this.uses.map(use => ({
			first: units(use[0]), last: units(use[1]), name: use[2], detail: use[3],
		}));
	}

	// As tool/page_spaces.c puts them.
	decode() {
		const n = this.rows;

		if (!this.data)
			return this;
		this.bytesIn = bytesOf(this.data.textContent);
		this.at = 0;
		this.data = null;
		this.va = new Float64Array(n);
		this.end = new Float64Array(n); // exclusive, of the range itself
		this.pa = new Float64Array(n);
		this.class = new Uint32Array(n);
		this.useOf = new Uint8Array(n); // an index of USES
		this.ranges_();
		this.bytesIn = null;
		this.repeats_();
		this.uses_();
		this.scales_();
		return this;
	}

	// Numbers of up to 53 bits, of which most have less than 28.
	number_() {
		const bytes = this.bytesIn;
		let at = this.at, byte = bytes[at++], value = byte & 127;

		for (let shift = 7; byte > 127 && shift < 28; shift += 7)
			value |= ((byte = bytes[at++]) & 127) << shift;
		for (let scale = 2 ** 28; byte > 127; scale *= 128)
			value += ((byte = bytes[at++]) & 127) * scale;
		this.at = at;
		return value;
	}

	signed_() {
		const value = this.number_();

		return value % 2 ? -(value - 1) / 2 - 1 : value / 2;
	}

	ranges_() {
		const isLeaf = this.classes.map(what => what[0] === 'leaf');
		const uses = this.classes.map(what => what[0] === 'leaf' ? what[6] : ODD);
		let va = 0, pa = 0;

		for (let i = 0; i < this.rows; i++) {
			const first = this.va[i] = va + this.signed_();
			const end = this.end[i] = first + this.number_() + 1;
			const what = this.class[i] = this.number_();

			va = end;
			this.useOf[i] = uses[what];
			if (isLeaf[what])
				pa = (this.pa[i] = pa + this.signed_()) + end - first;
		}
	}

	// On the map what repeats is one block, as far as nothing is between.
	repeats_() {
		this.repeat = new Map(this.repeats.map(([row, last, by]) => [row, { last, by }]));
		this.shownEnd = Float64Array.from(this.end);
		for (const [row, { last }] of this.repeat) {
			const next = row + 1 < this.rows ? this.va[row + 1] : Infinity;

			this.shownEnd[row] = Math.max(this.end[row], Math.min(units(last) + 1, next));
		}
	}

	// The innermost use that has each row's first address; uses ascend, the outer ones first.
	uses_() {
		const open = [];
		let next = 0;

		this.use = new Int32Array(this.rows).fill(-1);
		for (let i = 0; i < this.rows; i++) {
			while (next < this.uses.length && this.uses[next].first <= this.va[i])
				open.push(next++);
			while (open.length && this.uses[open[open.length - 1]].last < this.va[i])
				open.pop();
			for (let k = open.length; k--;) {
				if (this.uses[open[k]].last >= this.va[i]) {
					this.use[i] = open[k];
					break;
				}
			}
		}
	}

	// Where rows are on the map if holes are folded: what is large is longer, but not by as much.
	scales_() {
		let at = 0;

		this.from = new Float64Array(this.rows);
		this.to = new Float64Array(this.rows);
		for (let i = 0; i < this.rows; i++) {
			const hole = i ? this.va[i] - this.shownEnd[i - 1] : 0;

			at += hole > 0 ? 0.5 + Math.log2(hole) / 8 : 0;
			this.from[i] = at;
			at += 1 + Math.log2(this.shownEnd[i] - this.va[i]);
			this.to[i] = at;
		}
		this.folded = { from: this.from, to: this.to, first: 0, last: Math.max(at, 1) };
		this.plain = {
			from: this.va, to: this.shownEnd, first: units(this.first), last: units(this.last) + 1,
		};
	}

	what(i) {
		return this.classes[this.class[i]];
	}

	rights(i) {
		const [kind, , , kernel, user] = this.what(i);

		return kind === 'leaf' ? kernel + '/' + user : kind;
	}

	// The row that has an address, or the one that comes next.
	rowAt(unit) {
		return clamp(firstIndex(this.rows, i => this.shownEnd[i] > unit), 0, this.rows - 1);
	}

	lastOf(i) {
		return this.repeat.has(i) ? this.repeat.get(i).last : hex(this.end[i] - 1, UNIT - 1);
	}

	useText(i) {
		const use = this.uses[this.use[i]];

		return use ? use.name + (use.detail ? ' ' + use.detail : '') : '';
	}

	get label() {
		return this.name + (this.name === this.region ? '' : ', ' + this.region) + ' \u00b7 ' +
			this.root.replace(/^0x0*(?=.)/, '0x');
	}
}

// ---- tables ------------------------------------------------------------------------------------

const ROOM = { word: 9, name: 18, text: 24, address: 19, count: 9, bytes: 10 }; // characters
const LINE = 20, PADDING = 12, MOST = 8e6; // pixels

// What a Grid shows. Rows of JSON:
class Rows {
	constructor({ caption, columns, rows }, hidden = []) {
		this.caption = caption;
		this.columns = columns.map(([key, label, kind]) => ({
			key, label, kind, isHidden: hidden.includes(key),
		}));
		this.rows = rows;
		this.length = rows.length;
	}

	value(row, column) {
		return this.rows[row][column];
	}

	text(row, column) {
		const value = this.value(row, column), { kind } = this.columns[column];

		if (value === null)
			return '\u2013';
		return kind === 'bytes' ? bytesText(value) : kind === 'count' ? countText(value) : value;
	}

	exact(row, column) {
		const value = this.value(row, column);

		return value !== null && this.columns[column].kind === 'bytes'
			? countText(value) + ' bytes' : null;
	}

	search(words) {
		const found = [];

		for (let row = 0; row < this.length; row++) {
			const text = this.columns.map((_, i) => `${this.value(row, i) ?? ''} ${this.text(row, i)}`)
				.join('\n').toLowerCase();

			if (words.every(word => text.includes(word)))
				found.push(row);
		}
		return found;
	}

	sort(found, column) {
		const rank = { error: 0, warning: 1, note: 2 };
		const isNumber = ['count', 'bytes'].includes(this.columns[column].kind);
		const key = row => {
			const value = this.value(row, column);

			return isNumber ? Number(value ?? -1) : this.columns[column].key === 'level'
				? String(rank[value] ?? value) : value ?? '';
		};

		return Array.from(found).sort((a, b) => {
			const [x, y] = [key(a), key(b)];

			return x < y ? -1 : x > y ? 1 : a - b;
		});
	}
}

// ... and the ranges of a space, in which there may be a million of them.
class Ranges {
	constructor(space) {
		this.caption = 'Ranges of ' + space.label;
		this.space = space.decode();
		this.length = space.rows;
		this.columns = [
			['first', 'First', 'address'], ['last', 'Last', 'address'],
			['pa', 'Physical', 'address'], ['size', 'Size', 'bytes'], ['leaf', 'Page', 'bytes'],
			['rights', space.actors.filter(Boolean).join('/'), 'word'],
			['attrs', 'Attributes', 'word'], ['use', 'Used for', 'name'],
		].map(([key, label, kind]) => ({ key, label, kind, isHidden: false }));
	}

	text(row, column) {
		const space = this.space, what = space.what(row), isLeaf = what[0] === 'leaf';

		switch (this.columns[column].key) {
		case 'first': return hex(space.va[row]);
		case 'last': return space.lastOf(row);
		case 'pa': return isLeaf ? hex(space.pa[row]) : '\u2013';
		case 'size': return bytesText((space.end[row] - space.va[row]) * UNIT);
		case 'leaf': return isLeaf ? bytesText(2 ** what[2]) : '\u2013';
		case 'rights': return space.rights(row);
		case 'attrs': return what[5] || '\u2013';
		default: return space.useText(row) || '\u2013';
		}
	}

	exact(row, column) {
		return this.columns[column].key === 'size'
			? countText((this.space.end[row] - this.space.va[row]) * UNIT) + ' bytes' : null;
	}

	// Rows of a class, or of a use, are told by that; an address by where it is.
	search(words) {
		const space = this.space, found = [];
		const tests = words.map(word => {
			const isAddress = /^(0x)?[0-9a-f]{4,16}$/.test(word);
			const at = isAddress ? units('0x' + word.replace(/^0x/, '')) : NaN;
			const isClass = space.classes.map(what => `${what[0]} ${what[3]}/${what[4]} ${what[5]} ` +
				`${bytesText(2 ** what[2])} ${what[0] === 'leaf' ? USES[what[6]] : ''} ` +
				`${what[6] === BOTH ? 'wx' : ''}`).map(text => text.toLowerCase().includes(word));
			const isUse = space.uses.map(use => `${use.name} ${use.detail}`.toLowerCase().includes(word));

			return i => isClass[space.class[i]] || isUse[space.use[i]] ||
				(at >= space.va[i] && at < space.shownEnd[i]) ||
				(at >= space.pa[i] && at < space.pa[i] + space.end[i] - space.va[i] &&
				 space.what(i)[0] === 'leaf');
		});

		for (let i = 0; i < this.length; i++)
			if (tests.every(test => test(i)))
				found.push(i);
		return found;
	}

	sort(found, column) {
		const space = this.space;
		const ranks = texts => {
			const sorted = [...new Set(texts)].sort();

			return texts.map(text => sorted.indexOf(text));
		};
		const byClass = text => {
			const rank = ranks(space.classes.map(text));

			return i => rank[space.class[i]];
		};
		const keys = {
			first: () => i => space.va[i],
			last: () => i => space.shownEnd[i],
			pa: () => i => space.pa[i],
			size: () => i => space.end[i] - space.va[i],
			leaf: () => i => space.what(i)[2],
			rights: () => byClass(what => what[3] + what[4] + what[0]),
			attrs: () => byClass(what => what[5]),
			use: () => {
				const rank = ranks(space.uses.map(use => use.name + ' ' + use.detail));

				return i => space.use[i] < 0 ? 0 : 1 + rank[space.use[i]];
			},
		};

		return sortedByKey(found, keys[this.columns[column].key]());
	}
}

let nrGrids = 0;

// A table of which no more rows are in the document than are seen.
class Grid {
	constructor(place, actions = () => []) {
		this.id = 'grid' + nrGrids++;
		this.actions = actions;
		this.search = element('input', { type: 'search', spellcheck: 'false', autocomplete: 'off' });
		this.count = element('output', { 'aria-live': 'polite' });
		this.order = element('select');
		this.turn = element('button', { type: 'button', title: 'Turn the order round' }, '\u2191');
		this.caption = element('h3');
		this.head = element('div', { class: 'head', 'aria-hidden': 'true' });
		this.rows = element('div', { class: 'seen' });
		this.space = element('div', { class: 'all' }, this.rows);
		this.body = element('div', { class: 'body', role: 'grid', tabindex: '0' }, this.space);
		this.detail = element('div', { class: 'detail', hidden: true });
		place.replaceChildren(this.caption, element('div', { class: 'tools' },
			element('label', {}, 'Search ', this.search), element('label', {}, 'Sort by ', this.order),
			this.turn, this.count), element('div', { class: 'frame' }, this.head, this.body), this.detail);
		this.listen_();
	}

	listen_() {
		this.search.addEventListener('input', () => this.find_());
		this.order.addEventListener('change', () => this.find_());
		this.turn.addEventListener('click', () => {
			this.isDown = !this.isDown;
			this.find_();
		});
		this.body.addEventListener('scroll', () => this.draw_());
		this.body.addEventListener('keydown', event => this.key_(event));
		this.body.addEventListener('click', event => {
			const row = event.target.closest('[role=row]');

			if (row)
				this.choose_(Number(row.dataset.at), true);
		});
		new ResizeObserver(() => this.width !== this.body.clientWidth && this.layout_()).observe(this.body);
	}

	show(source) {
		this.source = source;
		this.caption.textContent = source.caption;
		this.body.setAttribute('aria-label', source.caption);
		this.order.replaceChildren(element('option', { value: '-1' }, 'as they come'),
			...source.columns.map((column, i) => element('option', { value: i }, column.label)));
		this.isDown = false;
		this.search.value = '';
		this.find_();
	}

	find_() {
		const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
		const column = Number(this.order.value);

		this.found = words.length ? this.source.search(words) : null;
		if (column >= 0)
			this.found = this.source.sort(this.found ?? Uint32Array.from({ length: this.source.length },
				(_, i) => i), column);
		this.length = this.found ? this.found.length : this.source.length;
		this.turn.textContent = this.isDown ? '\u2193' : '\u2191';
		this.turn.setAttribute('aria-label', this.isDown ? 'descending' : 'ascending');
		this.count.textContent = `${countText(this.length)} of ${countText(this.source.length)} rows`;
		this.active = 0;
		this.detail.hidden = true;
		this.body.scrollTop = 0;
		this.layout_();
	}

	row_(at) {
		at = this.isDown ? this.length - 1 - at : at;
		return this.found ? this.found[at] : at;
	}

	// One line a row if the columns have room beside each other, or else as many as it takes.
	layout_() {
		const columns = this.source.columns.filter(column => !column.isHidden);
		const probe = this.body.clientWidth && this.measure_();
		const room = Math.floor((this.body.clientWidth - 20) / (probe || 8));
		let used = 0;

		this.width = this.body.clientWidth;
		this.isWide = columns.reduce((sum, column) => sum + ROOM[column.kind] + 1, 0) <= room;
		this.lines = 1;
		for (const column of this.isWide ? [] : columns) {
			const width = Math.min(room, this.room_(column));

			if (used && used + width > room) {
				this.lines++;
				used = 0;
			}
			used += width + 1;
		}
		this.height = this.lines * LINE + PADDING;
		this.body.classList.toggle('wide', this.isWide);
		this.body.style.setProperty('--columns', columns.map(({ kind }) =>
			kind === 'text' ? 'minmax(0, 3fr)' : kind === 'name' ? 'minmax(0, 2fr)' : kind === 'word' ? 'minmax(0, 1fr)' : ROOM[kind] + 'ch').join(' '));
		this.head.style.setProperty('--columns', this.body.style.getPropertyValue('--columns'));
		this.head.hidden = !this.isWide;
		this.head.replaceChildren(...columns.map(({ kind, label }) => element('span', { class: kind }, label)));
		this.space.style.height = Math.min(MOST, this.length * this.height) + 'px';
		this.body.style.height = Math.min(this.length * this.height + 2, Math.max(10 * LINE, 0.55 * innerHeight)) + 'px';
		this.draw_();
	}

	room_({ kind, label }) {
		return kind === 'count' || kind === 'bytes' ? ROOM[kind] + label.length + 1
			: kind === 'text' ? 40 : ROOM[kind];
	}

	measure_() {
		if (!this.ruler) {
			this.ruler = element('span', { class: 'ruler', 'aria-hidden': 'true' }, '0'.repeat(50));
			this.body.before(this.ruler);
		}
		return this.ruler.getBoundingClientRect().width / 50;
	}

	// Rows and pixels are the same thing until there are more than an element is high.
	get first() {
		const hidden = this.space.offsetHeight - this.body.clientHeight;
		const most = Math.max(0, this.length - this.seen + 1);

		if (this.length * this.height <= MOST)
			return Math.floor(this.body.scrollTop / this.height);
		return hidden <= 0 ? 0 : Math.round(clamp(this.body.scrollTop / hidden, 0, 1) * most);
	}

	get seen() {
		return Math.ceil(this.body.clientHeight / this.height) + 1;
	}

	draw_() {
		const first = clamp(this.first, 0, Math.max(0, this.length - 1));
		const count = Math.min(this.seen, this.length - first);
		const isExact = this.length * this.height <= MOST;
		const made = [];

		this.rows.style.transform = `translateY(${isExact ? first * this.height
			: Math.min(this.body.scrollTop, MOST - count * this.height)}px)`;
		for (let at = first; at < first + count; at++)
			made.push(this.rowElement_(at));
		this.rows.replaceChildren(...made);
		this.body.setAttribute('aria-rowcount', this.length);
		this.body.setAttribute('aria-activedescendant', `${this.id}-${this.active}`);
	}

	rowElement_(at) {
		const row = this.row_(at), { columns } = this.source;
		const made = element('div', {
			role: 'row', id: `${this.id}-${at}`, 'aria-rowindex': at + 1, 'data-at': at,
			'aria-selected': at === this.active ? 'true' : 'false',
		});

		made.style.height = this.height + 'px';
		columns.forEach((column, i) => {
			if (column.isHidden)
				return;
			const cell = element('span', {
				role: 'gridcell', class: column.kind + ' of-' + column.key,
				title: this.source.exact(row, i),
			}, this.source.text(row, i));

			if (!this.isWide) {
				cell.style.flexBasis = Math.min(this.room_(column), 40) + 'ch';
				if (column.kind === 'count' || column.kind === 'bytes')
					cell.prepend(element('small', {}, column.label + ' '));
			}
			if (column.key === 'level')
				cell.classList.add('level', this.source.value(row, i));
			made.append(cell);
		});
		return made;
	}

	key_(event) {
		const page = Math.max(1, Math.floor(this.body.clientHeight / this.height) - 1);
		const to = {
			ArrowUp: this.active - 1, ArrowDown: this.active + 1, Home: 0, End: this.length - 1,
			PageUp: this.active - page, PageDown: this.active + page,
		}[event.key];

		if (event.ctrlKey || event.altKey || event.metaKey)
			return;
		if (to !== undefined)
			this.choose_(clamp(to, 0, this.length - 1), false);
		else if (event.key === 'Enter' || event.key === ' ')
			this.choose_(this.active, true);
		else
			return;
		event.preventDefault();
	}

	choose_(at, isOpen) {
		if (!this.length)
			return;
		this.active = at;
		this.reveal_();
		this.draw_();
		if (isOpen)
			this.open_();
		else
			this.detail.hidden = true;
	}

	reveal_() {
		const whole = Math.max(1, Math.floor(this.body.clientHeight / this.height));
		const hidden = this.space.offsetHeight - this.body.clientHeight;

		if (this.length * this.height <= MOST) {
			const top = this.active * this.height;

			this.body.scrollTop = clamp(this.body.scrollTop, top + this.height - this.body.clientHeight, top);
		} else if (this.active < this.first || this.active >= this.first + whole) {
			const first = this.active < this.first ? this.active : this.active - whole + 1;

			this.body.scrollTop = first / Math.max(1, this.length - this.seen + 1) * hidden;
		}
	}

	// All of a row, and where one can go from it.
	open_() {
		const row = this.row_(this.active), list = element('dl');
		const close = element('button', { type: 'button' }, 'Close');
		const shut = () => {
			this.detail.hidden = true;
			this.body.focus();
		};

		this.source.columns.forEach((column, i) => {
			const exact = this.source.exact(row, i);

			list.append(element('div', {}, element('dt', {}, column.label), element('dd', {},
				element('bdi', {}, this.source.text(row, i)), exact ? ` (${exact})` : '')));
		});
		close.addEventListener('click', shut);
		this.detail.onkeydown = event => {
			if (event.key === 'Escape')
				shut();
		};
		this.detail.replaceChildren(list, element('div', { class: 'tools' },
			...this.actions(this.source, row), close));
		this.detail.hidden = false;
		this.detail.querySelector('button').focus({ preventScroll: true });
		this.detail.scrollIntoView({ block: 'nearest' });
	}
}

// ---- the map -----------------------------------------------------------------------------------

// Tracks, in pixels from the top.
const AXIS = 20, NAMES = 24, MAIN = 96, SIZES = 34, MARKS = 18;
const TOPS = { names: AXIS, main: AXIS + NAMES, sizes: AXIS + NAMES + MAIN + 6 };
const HEIGHT = TOPS.sizes + SIZES + MARKS;

function colors() {
	const style = getComputedStyle(document.documentElement);
	const of = name => style.getPropertyValue('--' + name).trim();

	return {
		uses: USES.map((_, i) => of('use' + i)), inks: USES.map((_, i) => of('ink' + i)), text: of('text'),
		soft: of('soft'), line: of('line'), back: of('card'), focus: of('focus'), size: of('size0'),
		error: of('error'), warning: of('warning'), note: of('note'), band: of('band'),
	};
}

// What tells uses apart without colours: lines of their ink.
function pattern(context, use, color, ink, ratio) {
	const tile = element('canvas'), size = 8 * ratio, draw = tile.getContext('2d');
	const line = (x0, y0, x1, y1) => {
		draw.moveTo(x0 * ratio, y0 * ratio);
		draw.lineTo(x1 * ratio, y1 * ratio);
	};

	tile.width = tile.height = size;
	draw.fillStyle = color;
	draw.fillRect(0, 0, size, size);
	draw.strokeStyle = ink;
	draw.globalAlpha = use === BOTH || use === ODD ? 0.8 : 0.3;
	draw.lineWidth = ratio;
	draw.beginPath();
	if (use === 2)
		line(0, 4, 8, 4);
	if (use === 3 || use >= BOTH) {
		line(-2, 10, 10, -2);
		line(-2, 2, 2, -2);
		line(6, 10, 10, 6);
	}
	if (use === BOTH) {
		line(-2, -2, 10, 10);
		line(6, -2, 10, 2);
		line(-2, 6, 2, 10);
	}
	draw.stroke();
	return context.createPattern(tile, 'repeat');
}

class AddressMap {
	constructor(place, spaces, findings, onSpace) {
		this.spaces = spaces;
		this.findings = findings;
		this.onSpace = onSpace;
		this.canvas = element('canvas', {
			tabindex: '0', role: 'application', 'aria-roledescription': 'map',
			'aria-label': 'Map of the address space', 'aria-describedby': 'map-keys map-detail',
		});
		this.whole = element('canvas', { class: 'whole', 'aria-hidden': 'true' });
		this.detail = element('div', { id: 'map-detail', class: 'detail', 'aria-live': 'polite' });
		place.replaceChildren(this.tools_(), this.legend_(), this.canvas, this.whole, this.detail, this.keys_());
		this.listen_();
		this.select(0);
	}

	button_(text, title, run) {
		const made = element('button', { type: 'button', title, 'aria-label': title }, text);

		made.addEventListener('click', run);
		return made;
	}

	tools_() {
		const go = element('form', {}, element('label', {}, 'Address ',
			this.goto = element('input', { placeholder: '0xffff8880\u2026', spellcheck: 'false', autocomplete: 'off' })),
			element('button', {}, 'Go'));

		this.choice = element('select', { id: 'map-space' }, ...this.spaces.map((space, i) =>
			element('option', { value: i }, space.label)));
		this.scale = element('select', { id: 'map-scale' }, element('option', { value: 'folded' }, 'holes folded'),
			element('option', { value: 'plain' }, 'to scale'));
		this.choice.addEventListener('change', () => this.select(Number(this.choice.value)));
		this.scale.addEventListener('change', () => this.fit());
		go.addEventListener('submit', event => {
			event.preventDefault();
			this.go_(this.goto.value.trim());
		});
		return element('div', { class: 'tools' }, element('label', {}, 'Space ', this.choice),
			element('label', {}, 'Scale ', this.scale), element('span', { class: 'group' },
				this.button_('\u2212', 'Zoom out', () => this.zoom_(2)),
				this.button_('+', 'Zoom in', () => this.zoom_(0.5)),
				this.button_('\u25c0', 'To the left', () => this.pan_(-0.3)),
				this.button_('\u25b6', 'To the right', () => this.pan_(0.3)),
				this.button_('Whole', 'The whole address space', () => this.fit())), go);
	}

	legend_() {
		return element('ul', { class: 'legend' }, ...USES.map((use, i) => element('li', {},
			element('i', { class: 'key use' + i }, LETTERS[i]), use === 'none' ? 'no rights'
				: i === ODD ? 'malformed, not in the image' : use)),
			element('li', {}, element('i', { class: 'key bars' }), 'page size: the higher, the larger'),
			element('li', {}, '\u25b2\u25c6\u25cf findings'));
	}

	keys_() {
		const keys = [['\u2190 \u2192', 'range'], ['Shift \u2190 \u2192', 'pan'], ['+ \u2212', 'zoom'],
			['0', 'whole'], ['F', 'next finding'], ['Enter', 'row in the table']];

		return element('p', { id: 'map-keys', class: 'keys' }, 'Keys: ', ...keys.flatMap(([key, what]) =>
			[element('kbd', {}, key), ' ' + what + ' \u00a0']));
	}

	listen_() {
		const dark = matchMedia('(prefers-color-scheme: dark)');

		dark.addEventListener('change', () => this.resize_());
		new ResizeObserver(() => this.width !== this.canvas.parentElement.clientWidth && this.resize_())
			.observe(this.canvas.parentElement);
		this.canvas.addEventListener('keydown', event => this.key_(event));
		this.canvas.addEventListener('pointerdown', event => this.press_(event));
		this.canvas.addEventListener('pointermove', event => this.move_(event));
		this.canvas.addEventListener('pointerup', event => this.release_(event));
		this.canvas.addEventListener('pointercancel', () => this.drag = null);
		this.canvas.addEventListener('dblclick', event => this.zoom_(0.25, this.at_(event.offsetX)));
		this.canvas.addEventListener('wheel', event => {
			if (!event.ctrlKey)
				return;
			event.preventDefault();
			this.zoom_(2 ** (event.deltaY / 200), this.at_(event.offsetX));
		}, { passive: false });
		this.whole.addEventListener('pointerdown', event => {
			const { first, last } = this.axis, width = this.view[1] - this.view[0];
			const middle = first + (last - first) * event.offsetX / this.width;

			this.look_(middle - width / 2, width);
		});
	}

	get axis() {
		return this.space[this.scale.value];
	}

	select(index) {
		this.space = this.spaces[index].decode();
		this.choice.value = index;
		this.row = 0;
		this.marks = this.findings.filter(finding => finding.region === this.space.region &&
			finding.root === this.space.root);
		this.onSpace(this.space);
		this.fit();
	}

	fit() {
		this.view = [this.axis.first, this.axis.last];
		this.resize_();
	}

	resize_() {
		const ratio = devicePixelRatio || 1, width = this.canvas.parentElement.clientWidth;

		this.width = width;
		this.wholeDrawn = null;
		this.colors = colors();
		for (const [canvas, height] of [[this.canvas, HEIGHT], [this.whole, 16]]) {
			canvas.width = Math.round(width * ratio);
			canvas.height = Math.round(height * ratio);
			canvas.getContext('2d').setTransform(ratio, 0, 0, ratio, 0, 0);
		}
		this.patterns = USES.map((_, i) => pattern(this.canvas.getContext('2d'), i, this.colors.uses[i],
			this.colors.inks[i], ratio));
		this.patterns.forEach(made => made.setTransform(new DOMMatrix().scale(1 / ratio)));
		this.draw_();
	}

	// Positions and pixels.
	x_(position) {
		return (position - this.view[0]) / (this.view[1] - this.view[0]) * this.width;
	}

	at_(x) {
		return this.view[0] + x / this.width * (this.view[1] - this.view[0]);
	}

	// The address at a position, in units.
	unit_(position) {
		const { from, to } = this.axis, { va, shownEnd, rows } = this.space;

		if (this.scale.value === 'plain' || !rows)
			return Math.floor(position);
		const i = clamp(firstIndex(rows, k => to[k] > position), 0, rows - 1);

		if (position >= from[i] || !i)
			return Math.floor(va[i] + clamp((position - from[i]) / (to[i] - from[i]), 0, 0.999999) *
				(shownEnd[i] - va[i]));
		return Math.floor(shownEnd[i - 1] + (position - to[i - 1]) / (from[i] - to[i - 1]) *
			(va[i] - shownEnd[i - 1]));
	}

	look_(first, width) {
		const { axis } = this, all = axis.last - axis.first;

		width = clamp(width, Math.min(all, this.scale.value === 'plain' ? 1 : 0.01), all);
		first = clamp(first, axis.first, axis.last - width);
		this.view = [first, first + width];
		this.draw_();
	}

	zoom_(factor, around = null) {
		const [first, last] = this.view, { from, to } = this.axis;
		const chosen = (from[this.row] + to[this.row]) / 2;
		const middle = around ?? (chosen >= first && chosen <= last ? chosen : (first + last) / 2);

		this.look_(middle - (middle - first) * factor, (last - first) * factor);
	}

	pan_(part) {
		const width = this.view[1] - this.view[0];

		this.look_(this.view[0] + part * width, width);
	}

	choose(row) {
		const { from, to } = this.axis;

		if (!this.space.rows)
			return;
		this.row = clamp(row, 0, this.space.rows - 1);
		const length = to[this.row] - from[this.row], width = Math.max(this.view[1] - this.view[0], 1.2 * length);

		if (from[this.row] < this.view[0] || to[this.row] > this.view[1])
			this.look_((from[this.row] + to[this.row]) / 2 - width / 2, width);
		else
			this.draw_();
	}

	// Choose it, and come so near that it is seen.
	zoomTo(row) {
		const { from, to } = this.axis;

		this.choose(row);
		if (this.space.rows && this.x_(to[this.row]) - this.x_(from[this.row]) < 40)
			this.zoom_(40 / Math.max(1e-9, this.x_(to[this.row]) - this.x_(from[this.row])) > 1
				? Math.max(1e-7, (this.x_(to[this.row]) - this.x_(from[this.row])) / 40) : 1);
	}

	go_(text) {
		const isAddress = /^(0x)?[0-9a-f]{1,16}$/i.test(text);

		this.goto.setCustomValidity(isAddress ? '' : 'An address in hexadecimal');
		this.goto.reportValidity();
		if (!isAddress)
			return;
		this.zoomTo(this.space.rowAt(units('0x' + text.replace(/^0x/i, ''))));
		this.canvas.focus();
	}

	// Show a place in the space of a root, if it is here.
	show(root, region, address) {
		const index = this.spaces.findIndex(space => space.root === root && (!region || space.region === region));

		if (index < 0)
			return;
		if (this.spaces[index] !== this.space)
			this.select(index);
		if (address)
			this.zoomTo(this.space.rowAt(units(address)));
		document.getElementById('map').scrollIntoView();
		this.canvas.focus({ preventScroll: true });
	}

	key_(event) {
		const run = {
			ArrowLeft: () => event.shiftKey ? this.pan_(-0.2) : this.choose(this.row - 1),
			ArrowRight: () => event.shiftKey ? this.pan_(0.2) : this.choose(this.row + 1),
			Home: () => this.choose(0), End: () => this.choose(this.space.rows - 1),
			'+': () => this.zoom_(0.5), '=': () => this.zoom_(0.5), '-': () => this.zoom_(2), 0: () => this.fit(),
			f: () => this.mark_(), F: () => this.mark_(), Enter: () => this.onRow?.(this.row),
		}[event.key];

		if (!run || event.ctrlKey || event.altKey || event.metaKey)
			return;
		event.preventDefault();
		run();
	}

	mark_() {
		if (!this.marks.length)
			return;
		this.nextMark = ((this.nextMark ?? -1) + 1) % this.marks.length;
		this.zoomTo(this.space.rowAt(units(this.marks[this.nextMark].first)));
	}

	press_(event) {
		this.drag = { x: event.offsetX, view: this.view, isMoved: false };
		this.canvas.setPointerCapture(event.pointerId);
	}

	move_(event) {
		if (!this.drag)
			return;
		const width = this.drag.view[1] - this.drag.view[0], by = this.drag.x - event.offsetX;

		this.drag.isMoved ||= Math.abs(by) > 4;
		if (this.drag.isMoved)
			this.look_(this.drag.view[0] + by / this.width * width, width);
	}

	release_(event) {
		if (this.drag && !this.drag.isMoved)
			this.choose(this.rowAtX_(event.offsetX));
		this.drag = null;
	}

	rowAtX_(x) {
		const { to } = this.axis, position = this.at_(x);

		return firstIndex(this.space.rows, i => to[i] > position);
	}

	// ---- drawing

	draw_() {
		if (!this.width)
			return;
		const context = this.canvas.getContext('2d');

		context.clearRect(0, 0, this.width, HEIGHT);
		context.fillStyle = this.colors.band;
		context.fillRect(0, TOPS.main, this.width, MAIN);
		this.rows_(context, this.view, TOPS.main, MAIN, true);
		this.names_(context);
		this.axis_(context);
		this.marks_(context);
		this.chosen_(context);
		this.overview_();
		this.tell_();
	}

	// What is wider than a pixel is a block; all else shares columns, by how much of each there is.
	rows_(context, [first, last], top, height, isDetailed) {
		const { from, to } = this.axis, { space } = this, width = Math.ceil(this.width);
		const scale = this.width / (last - first), shares = USES.map(() => new Float32Array(width + 1));
		const stop = firstIndex(space.rows, i => from[i] >= last);

		for (let i = firstIndex(space.rows, k => to[k] > first); i < stop; i++) {
			const x0 = Math.max(-2, (from[i] - first) * scale), x1 = Math.min(this.width + 2, (to[i] - first) * scale);
			const use = space.useOf[i];

			if (x1 - x0 >= 1.5)
				this.block_(context, i, use, x0, x1, top, height, isDetailed);
			else
				shares[use][clamp(Math.floor(x0), 0, width)] += Math.max(x1 - x0, 0.02);
		}
		this.columns_(context, shares, top, height);
	}

	block_(context, row, use, x0, x1, top, height, isDetailed) {
		context.fillStyle = isDetailed && x1 - x0 > 4 ? this.patterns[use] : this.colors.uses[use];
		context.fillRect(x0, top, x1 - x0, height);
		if (!isDetailed)
			return;
		if (x1 - x0 > 3) {
			context.fillStyle = this.colors.back;
			context.fillRect(x1 - 0.5, top, 0.5, height);
		}
		this.size_(context, row, x0, x1);
		if (x1 - x0 < 26)
			return;
		const x = (Math.max(x0, 0) + Math.min(x1, this.width)) / 2;

		context.font = '600 12px system-ui, sans-serif';
		context.textAlign = 'center';
		context.fillStyle = this.colors.uses[use];
		const room = context.measureText(LETTERS[use]).width + 8;
		context.fillRect(x - room / 2, top + height / 2 - 9, room, 18);
		context.fillStyle = this.colors.inks[use];
		context.fillText(LETTERS[use], x, top + height / 2 + 4);
	}

	// The larger the page, the higher.
	size_(context, row, x0, x1) {
		const [kind, , lg2] = this.space.what(row);

		if (kind !== 'leaf')
			return;
		const height = clamp((lg2 - 10) * 1.7, 3, SIZES);

		context.fillStyle = this.colors.size;
		context.fillRect(x0, TOPS.sizes + SIZES - height, Math.max(1, x1 - x0 - 0.5), height);
		if (x1 - x0 < 44)
			return;
		context.font = '11px system-ui, sans-serif';
		context.textAlign = 'center';
		context.fillStyle = this.colors.text;
		context.fillText(bytesText(2 ** lg2), (Math.max(x0, 0) + Math.min(x1, this.width)) / 2,
			TOPS.sizes + SIZES - height - 3 < TOPS.sizes + 9 ? TOPS.sizes + 9 : TOPS.sizes + SIZES - height - 3);
	}

	columns_(context, shares, top, height) {
		for (let x = 0; x < shares[0].length; x++) {
			let all = 0, y = top + height;

			for (const share of shares)
				all += share[x];
			if (!all)
				continue;
			const full = height * Math.min(1, 0.25 + 0.75 * all);

			for (let use = 0; use < USES.length; use++) {
				const part = full * shares[use][x] / all;

				if (!part)
					continue;
				context.fillStyle = this.colors.uses[use];
				context.fillRect(x, y - part, 1, part);
				y -= part;
			}
		}
	}

	// What neighbouring rows are used for alike is named once.
	names_(context) {
		const { from, to } = this.axis, { space } = this;
		const stop = firstIndex(space.rows, i => from[i] >= this.view[1]);
		let i = firstIndex(space.rows, k => to[k] > this.view[0]), odd = false;

		context.font = '12px system-ui, sans-serif';
		context.textAlign = 'left';
		while (i < stop) {
			const name = space.uses[space.use[i]]?.name, start = i;
			let end;

			// Of many, what is narrower than a pixel is not told apart.
			do
				end = to[i++];
			while (i < stop && (space.uses[space.use[i]]?.name === name || this.x_(from[i]) - this.x_(from[start]) < 1));
			this.name_(context, name, Math.max(0, this.x_(from[start])), Math.min(this.width, this.x_(end)), odd = !odd);
		}
	}

	name_(context, name, x0, x1, odd) {
		if (name === undefined || x1 - x0 < 1)
			return;
		context.fillStyle = odd ? this.colors.band : this.colors.line;
		context.fillRect(x0, TOPS.names, x1 - x0, NAMES - 4);
		if (x1 - x0 < 24)
			return;
		context.save();
		context.beginPath();
		context.rect(x0, TOPS.names, x1 - x0 - 2, NAMES);
		context.clip();
		context.fillStyle = this.colors.text;
		context.fillText(name.split('/').pop(), x0 + 4, TOPS.names + 14);
		context.restore();
	}

	axis_(context) {
		const count = clamp(Math.floor(this.width / 190), 1, 6);

		context.font = '11px ui-monospace, monospace';
		context.fillStyle = this.colors.soft;
		for (let k = 0; k <= count; k++) {
			const x = k * this.width / count;
			const unit = this.unit_(this.at_(x)) - (k === count && this.scale.value === 'plain' ? 1 : 0);

			context.textAlign = k === 0 ? 'left' : k === count ? 'right' : 'center';
			context.fillText(hex(clamp(unit, 0, 2 ** 52 - 1)), x, 12);
			context.fillRect(clamp(x, 0.5, this.width - 1) - 0.5, 15, 1, 4);
		}
	}

	// A triangle, a diamond or a disc for each finding, as the table has them.
	marks_(context) {
		const y = TOPS.sizes + SIZES + 9, seen = new Set();

		context.font = '13px system-ui, sans-serif';
		context.textAlign = 'center';
		for (const mark of this.marks) {
			const row = this.space.rowAt(units(mark.first));
			const x = Math.round(this.x_((this.axis.from[row] + this.axis.to[row]) / 2));

			if (x < 0 || x > this.width || seen.has(mark.level + x))
				continue;
			seen.add(mark.level + x);
			context.fillStyle = this.colors[mark.level];
			context.fillText({ error: '\u25b2', warning: '\u25c6', note: '\u25cf' }[mark.level], x, y + 5);
			context.fillRect(x - 0.5, TOPS.main, 1, TOPS.sizes + SIZES - TOPS.main + 4);
		}
	}

	chosen_(context) {
		const x0 = this.x_(this.axis.from[this.row]), x1 = this.x_(this.axis.to[this.row]);

		if (!this.space.rows || x1 < 0 || x0 > this.width)
			return;
		context.strokeStyle = this.colors.focus;
		context.lineWidth = 2;
		context.strokeRect(Math.max(1, x0) - 1, TOPS.main - 2, Math.max(3, Math.min(x1, this.width - 1) - Math.max(x0, 1) + 2),
			MAIN + 4);
	}

	overview_() {
		const context = this.whole.getContext('2d'), { first, last } = this.axis;
		const x0 = (this.view[0] - first) / (last - first) * this.width;
		const x1 = (this.view[1] - first) / (last - first) * this.width;

		context.clearRect(0, 0, this.width, 16);
		if (!this.wholeDrawn) {
			this.rows_(context, [first, last], 3, 10, false);
			this.wholeDrawn = element('canvas', { width: this.whole.width, height: this.whole.height });
			this.wholeDrawn.getContext('2d').drawImage(this.whole, 0, 0);
		}
		context.drawImage(this.wholeDrawn, 0, 0, this.width, 16);
		context.strokeStyle = this.colors.focus;
		context.lineWidth = 2;
		context.strokeRect(clamp(x0, 1, this.width - 4), 1, Math.max(3, Math.min(x1, this.width - 1) - Math.max(x0, 1)), 14);
	}

	tell_() {
		const { space, row } = this;

		if (!space.rows) {
			this.detail.textContent = 'Nothing is mapped here.';
			return;
		}
		const isLeaf = space.what(row)[0] === 'leaf', repeat = space.repeat.get(row);
		const part = (label, text) => element('div', {}, element('dt', {}, label), element('dd', {},
			element('bdi', {}, text)));
		const list = element('dl', {}, part('Addresses', `${hex(space.va[row])} \u2013 ${space.lastOf(row)}`),
			part('Size', bytesText((space.end[row] - space.va[row]) * UNIT)));

		if (isLeaf)
			list.append(part('Pages', bytesText(2 ** space.what(row)[2])),
				part('Physical', hex(space.pa[row])));
		list.append(part('Rights', isLeaf ? space.actors.filter(Boolean).map((actor, i) =>
			`${actor} ${space.what(row)[3 + i]}`).join(', ') : space.what(row)[0]));
		if (space.what(row)[5])
			list.append(part('Attributes', space.what(row)[5]));
		if (space.useText(row))
			list.append(part('Used for', space.useText(row)));
		if (repeat)
			list.append(part('Repeats', repeat.by.map(([count, step]) =>
				`${countText(count)} times, every ${bytesText(Number(step))}`).join('; ')));
		this.detail.replaceChildren(list);
	}
}

// ---- the page ----------------------------------------------------------------------------------

// What there is no room for beside the rest is told when a row is opened.
const HIDDEN = {
	'findings-table': ['root', 'region', 'pa', 'entry', 'suspect', 'detail'],
	'devices-table': ['found', 'evidence', 'whole'],
	'processes-table': ['ppid', 'swap'],
	spaces: ['lines', 'malformed', 'unreadable'],
	regions: ['absent', 'malformed', 'unreadable'],
};

function start() {
	const spaces = Array.from(document.querySelectorAll('script.space'), meta =>
		new Space(meta, meta.nextElementSibling));
	const tables = new Map(Array.from(document.querySelectorAll('script.rows'), script =>
		[script.dataset.for, JSON.parse(script.textContent)]));
	const findings = (tables.get('findings-table')?.rows ?? []).map(row => ({
		level: row[0], root: row[3], region: row[4], first: row[5],
	})).filter(finding => finding.first !== null);
	const placeOfMap = element('div', { class: 'map' });
	let map = null, ranges = null;

	const toMap = (root, region, address) => {
		const made = element('button', { type: 'button' }, 'Show in the map');

		made.addEventListener('click', () => map.show(root, region, address));
		return spaces.some(space => space.root === root && (!region || space.region === region)) ? [made] : [];
	};
	const actions = (source, row) => {
		const of = key => source.columns.findIndex(column => column.key === key);
		const root = of('root') < 0 ? null : source.value(row, of('root'));

		return root ? toMap(root, of('region') < 0 ? null : source.value(row, of('region')),
			of('first') < 0 ? null : source.value(row, of('first'))) : [];
	};

	if (spaces.length) {
		const place = document.getElementById('first-ranges');

		document.getElementById('spaces').before(placeOfMap);
		ranges = new Grid(place, (source, row) => toMap(source.space.root, source.space.region, source.text(row, 0)));
		map = new AddressMap(placeOfMap, spaces, findings, space => ranges.show(new Ranges(space)));
		map.onRow = row => {
			ranges.search.value = '';
			ranges.order.value = '-1';
			ranges.isDown = false;
			ranges.find_();
			document.getElementById('ranges').scrollIntoView();
			ranges.body.focus({ preventScroll: true });
			ranges.choose_(row, false);
		};
	}
	for (const [id, table] of tables) {
		const place = document.getElementById(id);

		if (id === 'first-ranges')
			continue;
		if (table.rows.length)
			new Grid(place, actions).show(new Rows(table, HIDDEN[id]));
		else
			place.replaceChildren(element('p', { class: 'none' }, table.caption + ': none.'));
	}
}

start();
})();
