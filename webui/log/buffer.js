// The lines of a job's output that the page holds: in the order they came, bounded, with what was left out before them.
import { LONGEST, Terminal } from './ansi.js';

/** @typedef {import('./ansi.js').Line & { number: number, stream: string }} LogLine */

/** Lines that are kept, and bytes; older ones go first. */
const LINES_MAX = 200_000;
const BYTES_MAX = 32 * 1024 * 1024;

class Stream {
  /** @param {string} name @param {(line: import('./ansi.js').Line, stream: string) => void} ended */
  constructor(name, ended) {
    this.decoder = new TextDecoder();
    this.terminal = new Terminal((line) => ended(line, name));
    /** Whether bytes up to the first line's end are to be skipped, since reading began in the middle of a line. */
    this.inMiddle = false;
    this.bytes = 0;
  }

  /** @param {Uint8Array} bytes */
  write(bytes) {
    this.bytes += bytes.length;
    let from = 0;
    if (this.inMiddle) {
      const end = bytes.indexOf(10);
      if (end < 0 && bytes.length < LONGEST) return;
      from = end + 1;
      this.inMiddle = false;
    }
    this.terminal.write(this.decoder.decode(bytes.subarray(from), { stream: true }));
  }

  end() {
    this.terminal.write(this.decoder.decode());
    this.terminal.flush();
  }
}

export class Buffer {
  constructor() {
    /** @type {LogLine[]} */
    this.lines = [];
    /** Lines that were dropped at the beginning since too many came. */
    this.dropped = 0;
    this.#kept = 0;
    this.#numbered = 0;
    this.#streams = this.#fresh();
  }

  #kept;
  #numbered;
  /** @type {Record<string, Stream>} */
  #streams;

  #fresh() {
    const ended = this.#ended.bind(this);
    return { stdout: new Stream('stdout', ended), stderr: new Stream('stderr', ended) };
  }

  /** @param {import('./ansi.js').Line} line @param {string} stream */
  #ended(line, stream) {
    this.#numbered += 1;
    this.lines.push({ ...line, number: this.#numbered, stream });
    this.#kept += line.length + 64;
    if (this.lines.length > LINES_MAX || this.#kept > BYTES_MAX) this.#drop();
  }

  #drop() {
    const gone = this.lines.splice(0, Math.ceil(this.lines.length / 10));
    for (const line of gone) this.#kept -= line.length + 64;
    this.dropped += gone.length;
  }

  /** @param {string} stream */
  startInMiddle(stream) {
    this.#streams[stream].inMiddle = true;
  }

  /** @param {string} stream @param {Uint8Array} bytes */
  write(stream, bytes) {
    this.#streams[stream]?.write(bytes);
  }

  /** No more comes of this run. */
  end() {
    for (const stream of Object.values(this.#streams)) stream.end();
  }

  /** Begin anew, with nothing. */
  clear() {
    this.lines = [];
    this.dropped = 0;
    this.#kept = 0;
    this.#numbered = 0;
    this.#streams = this.#fresh();
  }

  /** All lines, with those that have not ended yet. @param {string} only 'both', or a stream @returns {LogLine[]} */
  shown(only) {
    const open = [];
    for (const [stream, { terminal }] of Object.entries(this.#streams)) {
      if (terminal.line.length) open.push({ ...terminal.line, number: this.#numbered + open.length + 1, stream });
    }
    const all = open.length ? [...this.lines, ...open] : this.lines;
    return only === 'both' ? all : all.filter((line) => line.stream === only);
  }
}
