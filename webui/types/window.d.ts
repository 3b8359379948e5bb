/* What the worker tells its window: `cmdexec/worker/page/state.py`, `configuration.py`, `calls.py`. */

export type Phase =
  | 'new' | 'faulty' | 'joining' | 'starting' | 'connecting' | 'connected' | 'disconnected' | 'refused' | 'stopped'
  | 'restarting' | 'ending';

export interface JobView {
  key: string;
  jobId: string;
  attempt: number;
  name: string;
  command: string;
  startedAt: number;
  ending: string | null;
}

export interface Problem {
  field: string;
  message: string;
  mend: string;
  key: string | null;
}

export interface Machine {
  cpu: number;
  cores: number;
  cpuLimit: number | null;
  memoryBytes: number;
  memoryTotalBytes: number;
  memoryLimitBytes: number | null;
}

export interface Entry {
  number: number;
  at: number;
  level: string;
  text: string;
  key: string | null;
}

export interface Why {
  code: string;
  message: string;
  mend: string | null;
}

export interface State {
  phase: Phase;
  server: string | null;
  name: string;
  user: string;
  version: string;
  folder: string;
  slots: number;
  /** As it is sent, null: as they were told last. */
  jobs: JobView[];
  done: number;
  paused: boolean;
  drained: boolean;
  trouble: string | null;
  slowLink: string | null;
  why: Why | null;
  nextTryMs: number | null;
  waitMs: number;
  problems: Problem[];
  needsHost: boolean;
  closeAsked: number;
  machine: Machine | null;
  activity: Entry[];
}

export interface Field {
  name: string;
  field: string;
  value: string | boolean | null;
  isSet: boolean;
  fixed: string | null;
  usual: string;
}

export interface Heeded {
  problems: Problem[];
  jobs: number;
  aside: string | null;
}

export interface Part {
  start: number;
  end: number;
  pieces: [string, string][];
  over: boolean;
}
