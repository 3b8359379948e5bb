// Starts the worker's window.
import { html } from '../html.js';
import { render } from '../vendor/preact.js';
import { startClock } from '../words/time.js';
import { followState } from './link.js';
import { App } from './app.js';

startClock();
void followState();
const app = document.getElementById('app');
if (app) render(html`<${App} />`, app);
