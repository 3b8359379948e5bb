// Starts the pages.
import { html } from './html.js';
import { render } from './vendor/preact.js';
import { heedOtherTabs, whoAmI } from './data/session.js';
import { startKeys } from './keys.js';
import { startRouter } from './router.js';
import { App } from './shell.js';
import { startClock } from './words/time.js';

startClock();
startRouter();
startKeys();
heedOtherTabs();
void whoAmI();
const app = document.getElementById('app');
if (app) render(html`<${App} />`, app);
