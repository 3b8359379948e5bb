// What others have written, such as names and commands, where it stands among our own words: it may neither turn them
// round nor hide in them.
import { shown } from '../log/ansi.js';

// eslint-disable-next-line no-control-regex
const HIDDEN = /[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff]/g;

/** With a picture for each character that would not be seen. @param {string} text */
export const visible = (text) => text.replace(HIDDEN, shown);

/** The same of text that may have several lines. @param {string} text */
export const visibleLines = (text) => text.replace(HIDDEN, (char) => (char === '\n' || char === '\t' ? char : shown(char)));
