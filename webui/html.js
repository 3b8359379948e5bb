// Templates: `html` makes nodes of them. Text always becomes text nodes; nothing here or elsewhere writes HTML.
import { h } from './vendor/preact.js';
import htm from './vendor/htm.js';

export const html = htm.bind(h);
