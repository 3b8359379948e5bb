// Every sentence that the window says, in one place. What the worker says of errors is shown as it comes.

/** @param {number} n @param {string} one */
const plural = (n, one) => `${n.toLocaleString('en')} ${n === 1 ? one : `${one}s`}`;

/** @param {number} n */
const jobs = (n) => plural(n, 'job');

export const W = {
  // The band
  gone: 'The worker does not answer.',
  goneTitle: 'The worker has ended',
  goneText: 'This window shows it as it was. Start it again to go on: cmdexec worker',
  unreadable: 'The answer of the worker cannot be read.',
  strangerTitle: 'This page is for the worker’s own window',
  strangerText: 'It knows its window by a token that is made at each start. Open it with: cmdexec worker',
  readingTitle: 'Asking the worker',
  newTitle: 'Not joined yet',
  newText: 'Paste a join code, and this machine runs jobs of that server. Its page “Add a worker” makes one.',
  faultyTitle: 'The settings cannot be used',
  faultyText: 'No worker runs until they are right. Nothing is lost: what it has not delivered yet stays in its folder.',
  /** @param {string} server */
  joiningTitle: (server) => `Joining ${server}`,
  joiningText: 'It goes on trying until the server answers.',
  startingTitle: 'Starting',
  startingText: 'Jobs of an earlier worker in this folder are ended first, if there are any.',
  /** @param {string} server */
  connectingTitle: (server) => `Connecting to ${server}`,
  connectingText: 'Nothing has answered yet.',
  /** @param {string} server */
  connectedTitle: (server) => `Connected to ${server}`,
  /** @param {number} used @param {number} slots @param {string} name */
  connectedText: (used, slots, name) => `Taking jobs: ${used} of ${plural(slots, 'slot')} in use · worker ${name}`,
  /** @param {number} seconds */
  disconnectedTitle: (seconds) => (seconds > 0 ? `Disconnected. Next try in ${seconds} s` : 'Disconnected. Trying now'),
  /** @param {number} n */
  runOn: (n) => (n ? `Your ${jobs(n)} ${n === 1 ? 'runs' : 'run'} on; ${n === 1 ? 'its' : 'their'} output is kept here.` : ''),
  /** @param {string} server @param {number} seconds */
  refusedTitle: (server, seconds) => `Refused by ${server}${seconds > 0 ? `. Next try in ${seconds} s` : ''}`,
  stoppedTitle: 'The worker has stopped',
  joinMends: 'With a new join code it can join again.',
  /** @param {number} n */
  restartingTitle: (n) => (n ? `New settings count once ${jobs(n)} ${n === 1 ? 'has' : 'have'} ended` : 'Starting with the new settings'),
  restartingText: 'No new jobs are begun until then.',
  /** @param {number} n */
  endingTitle: (n) => (n ? `Ending: ${jobs(n)} ${n === 1 ? 'finishes' : 'finish'} first` : 'Ending'),
  /** @param {number} n */
  endingJobs: (n) => `However long that takes; no others are begun. Handed back, ${n === 1 ? 'it is' : 'they are'} for other workers.`,
  endingText: 'What cannot be delivered now is delivered at the next start.',
  pausedTitle: 'Paused by you',
  drainedTitle: 'Draining: the server asked',
  drainedText: 'Whoever asked for it resumes it, on the server’s page “Workers”.',
  /** @param {number} n */
  noNew: (n) => (n ? `${jobs(n)} ${n === 1 ? 'finishes' : 'finish'}, no new ones.` : 'No new jobs are begun.'),

  // Acts
  pause: 'Pause',
  resume: 'Resume',
  tryNow: 'Try now',
  joinAgain: 'Join again',
  change: 'Another server',
  takeBack: 'Take back',
  startAgain: 'Start again',
  /** @param {number} n */
  endNow: (n) => (n === 1 ? 'Hand it back' : 'Hand them back'),
  openSettings: 'Correct them',
  settings: 'Settings',
  join: 'Join',
  cancel: 'Cancel',
  cancelIt: 'Cancel the job',
  cancelling: 'ending…',
  output: 'Output',
  close: 'Close',
  back: 'Leave it',
  save: 'Save',
  test: 'Test connection',
  takeOut: 'Take it out',
  goesOut: 'goes with Save',

  // Tiles and lists
  cpu: 'CPU',
  memory: 'Memory',
  jobs: 'Jobs',
  /** @param {number} percent */
  percent: (percent) => `${percent} %`,
  /** @param {number} cores */
  cores: (cores) => `of ${plural(cores, 'core')}`,
  /** @param {number} cores */
  coresLimit: (cores) => `jobs may use ${plural(cores, 'core')}`,
  /** @param {string} size */
  ofMemory: (size) => `of ${size}`,
  /** @param {string} size */
  memoryLimit: (size) => `jobs may use ${size}`,
  /** @param {number} used @param {number} slots */
  ofSlots: (used, slots) => `${used} of ${slots}`,
  /** @param {number} n */
  done: (n) => `${n.toLocaleString('en')} ended since its start`,
  runningHere: 'Running here',
  ranHere: 'Ran here when it ended',
  noneRuns: 'Nothing runs here now.',
  activity: 'Activity',
  level: 'What is shown',
  levels: { all: 'All', jobs: 'Jobs', trouble: 'Trouble' },
  find: 'Find in it',
  /** @param {number} n */
  older: (n) => `${n.toLocaleString('en')} older`,
  nothingFound: 'Nothing of that kind.',
  /** @param {string} name */
  cancelTitle: (name) => `Cancel ${name}?`,
  cancelText: 'It gets its grace period to stop. Its owner is told that it was ended at this machine.',

  // Output
  /** @param {string} name */
  outputOf: (name) => `Output of ${name}`,
  noOutput: 'It has written nothing yet.',
  outputGone: 'What it wrote is no longer kept here. The server has it.',
  /** @param {string} size */
  outputCut: (size) => `The first ${size} are not kept here; the server has them.`,
  /** @param {string} size */
  outputGap: (size) => `${size} are not shown here; the server has them.`,
  outputOver: 'It has ended.',
  following: 'Following',
  toEnd: 'To the end',

  // Configuration
  server: 'Server',
  serverHint: 'As people type it into a browser. Without TLS everybody on the way can read along.',
  code: 'Join code',
  codeHint: 'Shown once by the server’s page “Add a worker”, or by cmdexec join-token create.',
  codeMissing: 'A join code is missing. Paste it as it was shown.',
  /** @param {string} user */
  allowHost: (user) => `Jobs may run on this machine, as the user ${user}`,
  allowHostHint: 'Whoever may submit jobs can then do here what this user can.',
  containersToo: 'Without it, only jobs in containers run here.',
  labels: /** @type {Record<string, string>} */ ({
    server_url: 'Server', worker_name: 'Name', slots: 'Jobs at once', cpu_limit: 'CPU limit, in cores', ram_limit: 'Memory limit',
    auto_start: 'Start when I log in', worker_token_secret: 'Shared secret (WORKER_TOKEN_SECRET)',
  }),
  /** A setting as the panel calls it, and as it is written. @param {string} name @returns {string} */
  settingOf: (name) => {
    const label = name === 'ALLOW_HOST' ? 'Jobs on this machine' : W.labels[name.toLowerCase()];
    return label && name === name.toUpperCase() ? `${label} (${name})` : name;
  },
  /** @param {boolean} value */
  truth: (value) => (value ? 'yes' : 'no'),
  isSet: 'set',
  /** What may be written, by setting. @type {Record<string, (usual: string) => string>} */
  hints: {
    worker_name: (usual) => `As people see it. Empty: ${usual}.`,
    slots: (usual) => `How many run side by side. Empty: ${usual}.`,
    cpu_limit: () => 'Such as 2 or 0.5, for all jobs together. Empty: no limit.',
    ram_limit: () => 'In MB, or as 2GB, for all jobs together. Empty: no limit.',
    auto_start: () => 'The worker starts with this user’s session.',
  },
  /** @param {string} server */
  joinedServer: (server) => `It has joined ${server}; leave this empty.`,
  secretSet: 'One is set. Leave this empty to keep it.',
  secretUnset: 'Only for servers that have one; a join code is better.',
  /** @param {string} file */
  savedIn: (file) => `Saved in ${file}`,
  faults: 'These cannot be used:',
  /** @param {number} n */
  saved: (n) => (n ? `Saved. It counts once ${jobs(n)} ${n === 1 ? 'has' : 'have'} ended; none is begun until then.` : 'Saved. It counts now.'),
  /** @param {string} file @param {string} aside */
  putsAside: (file, aside) => `${file} cannot be read, so that nothing of what it sets counts. Save puts it aside as ${aside} and writes a new one, with what is changed here alone.`,
  /** @param {string} aside */
  isAside: (aside) => `The file that was there is now ${aside}.`,
  unchanged: 'Nothing was changed.',
  /** @param {string} version @param {string} folder */
  about: (version, folder) => `cmdexec ${version} · ${folder}`,

  // Closing
  closeTitle: 'Keep the worker running?',
  /** @param {number} n */
  closeText: (n) => `${n ? `${jobs(n)} ${n === 1 ? 'runs' : 'run'} here. ` : ''}In the background it goes on taking jobs; cmdexec worker shows this window again.${n ? ' Ended, it lets what runs finish first.' : ''}`,
  closeKeep: 'Keep it running',
  closeEnd: 'End the worker',
  stay: 'Stay here',
};
