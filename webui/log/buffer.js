// The lines of a job's output that the page holds: in the order they came, bounded, with what was left out before them.
import { LONGEST, Terminal } from './ansi.js';

/**
 * @typedef {import('./ansi.js').Line & { number: number, own: number, stream: string, heading?: boolean, leftOut?: number }} LogLine
 *   `number`: in the order in which they came; `own`: within its stream; `heading`: only says which stream begins;
 *   `leftOut`: only says how many bytes are missing there
 */

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
    /** Lines that have ended, and those of them that were dropped. */
    this.count = 0;
    this.dropped = 0;
  }

  /** @param {Uint8Array} bytes */
  write(bytes) {
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

/** @param {LogLine[]} all @param {string} stream @returns {LogLine[]} */
function headed(all, stream) {
  const lines = all.filter((line) => line.stream === stream);
  return lines.length ? [{ pieces: [], length: 0, cut: 0, number: 0, own: 0, stream, heading: true }, ...lines] : [];
}

export class Buffer {
  constructor() {
    /** @type {LogLine[]} */
    this.lines = [];
    /** Whether the streams are shown one after the other, since the order of their lines is not known. */
    this.apart = false;
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
    const of = this.#streams[stream];
    of.count += 1;
    this.lines.push({ ...line, number: this.#numbered, own: of.count, stream });
    this.#kept += line.length + 64;
    if (this.lines.length > LINES_MAX || this.#kept > BYTES_MAX) this.#drop();
  }

  #drop() {
    const gone = this.lines.splice(0, Math.ceil(this.lines.length / 10));
    for (const line of gone) {
      this.#kept -= line.length + 64;
      this.#streams[line.stream].dropped += 1;
    }
  }

  /** Lines that were dropped at the beginning since too many came. @param {string} only 'both', or a stream */
  dropped(only) {
    const { stdout, stderr } = this.#streams;
    return only === 'both' ? stdout.dropped + stderr.dropped : (only === 'stderr' ? stderr : stdout).dropped;
  }

  /** @param {string} stream */
  startInMiddle(stream) {
    this.#streams[stream].inMiddle = true;
  }

  /** @param {string} stream @param {Uint8Array} bytes */
  write(stream, bytes) {
    this.#streams[stream]?.write(bytes);
  }

  /** Say that so much is missing here, of both streams together: what comes next is no part of a line before it. @param {number} bytes */
  leaveOut(bytes) {
    this.end();
    const { stdout, stderr } = this.#streams;
    this.#streams = this.#fresh();
    for (const [stream, { count, dropped }] of Object.entries({ stdout, stderr })) Object.assign(this.#streams[stream], { count, dropped });
    this.#ended({ pieces: [], length: 0, cut: 0 }, 'stdout');
    Object.assign(this.lines[this.lines.length - 1], { leftOut: bytes });
  }

  /** No more comes of this run. */
  end() {
    for (const stream of Object.values(this.#streams)) stream.end();
  }

  /** Begin anew, with nothing. */
  clear() {
    this.lines = [];
    this.#kept = 0;
    this.#numbered = 0;
    this.#streams = this.#fresh();
  }

  /** All lines, with those that have not ended yet. @param {string} only 'both', or a stream @returns {LogLine[]} */
  shown(only) {
    const open = [];
    for (const [stream, { terminal, count }] of Object.entries(this.#streams)) {
      const { line } = terminal;
      if (line.length) open.push({ ...line, number: this.#numbered + open.length + 1, own: count + 1, stream });
    }
    const all = open.length ? [...this.lines, ...open] : this.lines;
    if (only !== 'both') return all.filter((line) => line.stream === only);
    return this.apart ? ['stdout', 'stderr'].flatMap((stream) => headed(all, stream)) : all;
  }
}
