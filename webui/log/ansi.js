// Text of a terminal → lines of pieces with classes. Knows colours, bold, underline, inverse, carriage returns, backspaces,
// erasing and moves within the line; drops every other sequence. What it makes is data: text stays text.

/** @typedef {{ text: string, look: string }} Piece */
/** @typedef {{ pieces: Piece[], length: number, cut: number }} Line  `cut`: characters beyond the longest that is kept */

/** Characters of a line that are kept; the rest is counted. */
export const LONGEST = 65536;

const NAMES = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'];
const SEQUENCE_MAX = 4096;
/** Cells that erasing may blank in one line: what erases more than that only costs its reader time. */
const ERASED_MAX = 1_000_000;
const COMPLETE = /^(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|[ -/]+[0-~]|[^[\]PX^_ -/])/s;
// eslint-disable-next-line no-control-regex
const SPECIAL = /[\x00-\x08\x0a-\x1f\x7f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

/** The characters of a line that is written over, each with its look. */
class Cells {
  /** @param {Line} line */
  constructor({ pieces }) {
    /** @type {string[]} */
    this.chars = [];
    /** @type {string[]} */
    this.looks = [];
    for (const { text, look } of pieces) this.put(this.chars.length, text, look);
  }

  /** @param {number} at @param {string} text @param {string} look */
  put(at, text, look) {
    for (let by = 0; by < text.length; by += 1) {
      this.chars[at + by] = text[by];
      this.looks[at + by] = look;
    }
  }

  /** @param {number} length */
  cutTo(length) {
    this.chars.length = Math.min(this.chars.length, length);
    this.looks.length = this.chars.length;
  }

  /** @param {number} to */
  blank(to) {
    this.chars.fill(' ', 0, to);
    this.looks.fill('', 0, to);
  }

  /** Neighbours that look alike are one piece. */
  pieces() {
    /** @type {Piece[]} */
    const pieces = [];
    const { chars, looks } = this;
    for (let from = 0, at = 1; from < chars.length; at += 1) {
      if (at < chars.length && looks[at] === looks[from]) continue;
      pieces.push({ text: chars.slice(from, at).join(''), look: looks[from] });
      from = at;
    }
    return pieces;
  }
}

/** @returns {Line} */
const emptyLine = () => ({ pieces: [], length: 0, cut: 0 });

/** @param {number} r @param {number} g @param {number} b the nearest of the sixteen that have classes */
function nearest(r, g, b) {
  const most = Math.max(r, g, b);
  const bright = most > 192 ? 8 : 0;
  const half = most / 2;
  const hue = (r > half ? 1 : 0) | (g > half ? 2 : 0) | (b > half ? 4 : 0);
  if (most < 48) return 0;
  return bright + hue;
}

/** @param {number} n one of 256 */
function of256(n) {
  if (n < 16) return n;
  if (n >= 232) return n < 244 ? 8 : 7;
  const at = n - 16;
  const level = (/** @type {number} */ step) => (step ? 55 + step * 40 : 0);
  return nearest(level(Math.floor(at / 36)), level(Math.floor(at / 6) % 6), level(at % 6));
}

/** How text looks from here on. */
class Look {
  constructor() {
    this.fore = -1;
    this.back = -1;
    this.bold = false;
    this.faint = false;
    this.italic = false;
    this.underline = false;
    this.inverse = false;
    this.names = '';
  }

  /** @param {string} text the parameters of a sequence that ends in `m` */
  change(text) {
    const codes = text === '' ? [0] : text.split(/[;:]/).map(Number);
    for (let at = 0; at < codes.length; at += 1) {
      const code = codes[at];
      if (code === 38 || code === 48) {
        const [colour, used] = codes[at + 1] === 5 ? [of256(codes[at + 2] ?? 0), 2]
          : codes[at + 1] === 2 ? [nearest(codes[at + 2] ?? 0, codes[at + 3] ?? 0, codes[at + 4] ?? 0), 4] : [-1, 0];
        if (code === 38) this.fore = colour;
        else this.back = colour;
        at += used;
      } else {
        this.#one(code);
      }
    }
    this.names = this.#names();
  }

  /** @param {number} code */
  #one(code) {
    if (code === 0) Object.assign(this, new Look());
    else if (code === 1) this.bold = true;
    else if (code === 2) this.faint = true;
    else if (code === 3) this.italic = true;
    else if (code === 4) this.underline = true;
    else if (code === 7) this.inverse = true;
    else if (code === 22) this.bold = this.faint = false;
    else if (code === 23) this.italic = false;
    else if (code === 24) this.underline = false;
    else if (code === 27) this.inverse = false;
    else if (code >= 30 && code <= 37) this.fore = code - 30;
    else if (code === 39) this.fore = -1;
    else if (code >= 40 && code <= 47) this.back = code - 40;
    else if (code === 49) this.back = -1;
    else if (code >= 90 && code <= 97) this.fore = code - 82;
    else if (code >= 100 && code <= 107) this.back = code - 92;
  }

  #names() {
    const names = [];
    const name = (/** @type {number} */ n) => `${n > 7 ? 'bright-' : ''}${NAMES[n % 8]}`;
    if (this.fore >= 0) names.push(`f-${name(this.fore)}`);
    if (this.back >= 0) names.push(`b-${name(this.back)}`);
    if (this.bold) names.push('bold');
    if (this.faint) names.push('dim');
    if (this.italic) names.push('italic');
    if (this.underline) names.push('under');
    if (this.inverse) names.push('inverse');
    return names.join(' ');
  }
}

/** What stands for a character that must not act: a picture of a control, or the number of a mark of direction. */
export const shown = (/** @type {string} */ char) => {
  const code = char.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  if (code === 0x7f) return '\u2421';
  return `⟨U+${code.toString(16).toUpperCase().padStart(4, '0')}⟩`;
};

/** Reads one stream; a sequence or a line that a chunk cuts goes on with the next. */
export class Terminal {
  /** @param {(line: Line) => void} ended is given each line that is whole */
  constructor(ended) {
    this.#ended = ended;
    this.#look = new Look();
    this.#line = emptyLine();
    this.#cells = null;
    this.#column = 0;
    this.#erased = 0;
    this.#rest = '';
  }

  /** The line that has not ended yet. */
  get line() {
    if (this.#cells) this.#line.pieces = this.#cells.pieces();
    return this.#line;
  }

  /** @type {(line: Line) => void} */
  #ended;
  /** @type {Look} */
  #look;
  /** @type {Line} its pieces are current unless there are cells */
  #line;
  /** @type {Cells | null} */
  #cells;
  /** @type {number} */
  #column;
  /** @type {number} */
  #erased;
  /** @type {string} */
  #rest;

  /** @param {string} text */
  write(text) {
    let left = this.#rest + text;
    this.#rest = '';
    while (left) {
      const at = left.search(SPECIAL);
      if (at < 0) {
        this.#put(left);
        return;
      }
      if (at > 0) this.#put(left.slice(0, at));
      const char = left[at];
      left = left.slice(at + 1);
      if (char !== '\x1b') {
        this.#act(char);
        continue;
      }
      const found = COMPLETE.exec(left);
      if (found) {
        this.#sequence(found[0]);
        left = left.slice(found[0].length);
      } else if (left.length < SEQUENCE_MAX) {
        this.#rest = char + left;
        return;
      } else {
        this.#put(shown(char));
      }
    }
  }

  /** End the line, as a new run does. */
  flush() {
    if (this.#rest) this.#put(shown('\x1b') + this.#rest.slice(1));
    this.#rest = '';
    if (this.#line.length) this.#act('\n');
  }

  /** @param {string} char */
  #act(char) {
    if (char === '\n') {
      this.#ended(this.line);
      this.#empty();
      this.#erased = 0;
    } else if (char === '\r') {
      this.#column = 0;
    } else if (char === '\b') {
      this.#column = Math.max(0, this.#column - 1);
    } else if (char !== '\x07') {
      this.#put(shown(char));
    }
  }

  /** @param {string} text what follows the escape character */
  #sequence(text) {
    if (text[0] !== '[') return;
    const kind = text[text.length - 1];
    const given = text.slice(1, -1);
    const number = Math.min(LONGEST, Number.parseInt(given, 10) || 0);
    if (kind === 'm') this.#look.change(/^[\d;:]*$/.test(given) ? given : '0');
    else if (kind === 'K') this.#erase(number);
    else if (kind === 'G') this.#column = Math.min(this.#line.length, Math.max(1, number) - 1);
    else if (kind === 'D') this.#column = Math.max(0, this.#column - Math.max(1, number));
    else if (kind === 'C') this.#column = Math.min(this.#line.length, this.#column + Math.max(1, number));
  }

  #empty() {
    this.#line = emptyLine();
    this.#cells = null;
    this.#column = 0;
  }

  /** @param {number} what 0: to the end, 1: up to here, 2: all */
  #erase(what) {
    const line = this.#line;
    if (what === 2) this.#empty();
    else if (what === 0 && this.#column < line.length) {
      this.#cells ??= new Cells(line);
      this.#cells.cutTo(this.#column);
      line.length = this.#column;
      if (!line.length) this.#empty();
    } else if (what === 1 && this.#erased < ERASED_MAX) {
      this.#erased += this.#column;
      this.#cells ??= new Cells(line);
      this.#cells.blank(this.#column);
    }
  }

  /** @param {string} text */
  #put(text) {
    const line = this.#line;
    const room = LONGEST - this.#column;
    const taken = text.length > room ? text.slice(0, Math.max(0, room)) : text;
    line.cut += text.length - taken.length;
    if (!taken) return;
    const look = this.#look.names;
    const end = this.#column + taken.length;
    if (this.#cells || this.#column < line.length) {
      this.#cells ??= new Cells(line);
      this.#cells.put(this.#column, taken, look);
    } else {
      const last = line.pieces[line.pieces.length - 1];
      if (last && last.look === look) last.text += taken;
      else line.pieces.push({ text: taken, look });
    }
    this.#column = end;
    line.length = Math.max(line.length, end);
  }
}

/** @param {Piece[]} pieces @param {number} from @param {number} to @returns {Piece[]} */
export function slice(pieces, from, to) {
  const cut = [];
  let at = 0;
  for (const { text, look } of pieces) {
    const start = Math.max(from - at, 0);
    const end = Math.min(to - at, text.length);
    if (start < end) cut.push({ text: text.slice(start, end), look });
    at += text.length;
  }
  return cut;
}
