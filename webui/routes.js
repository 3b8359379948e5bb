// Which page each path has. The server answers exactly these with the index page, and everything else with 404.
/** @typedef {{ page: string, path: RegExp, nav?: string }} Route */

/** @type {readonly Route[]} */
export const ROUTES = [
  { page: 'login', path: /^\/login\/?$/ },
  { page: 'jobs', path: /^\/(?:jobs\/?)?$/, nav: '/jobs' },
  { page: 'new', path: /^\/jobs\/new\/?$/, nav: '/jobs/new' },
  { page: 'job', path: /^\/jobs\/([^/]+)\/?$/, nav: '/jobs' },
  { page: 'workers', path: /^\/workers\/?$/, nav: '/workers' },
  { page: 'add', path: /^\/workers\/add\/?$/, nav: '/workers' },
];

/**
 * The page at a path, with what stands in the path.
 * @param {string} path
 * @returns {{ page: string, nav: string, part: string }}
 */
export function routeOf(path) {
  for (const route of ROUTES) {
    const found = route.path.exec(path);
    if (found) return { page: route.page, nav: route.nav ?? '', part: found[1] ? decoded(found[1]) : '' };
  }
  return { page: 'missing', nav: '', part: '' };
}

/** @param {string} part */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
