// Made from the description of the API by `python -m tests.browser.api_types`; a test holds it to that.

export interface AbsenceView {
  since: string;
  until: string;
  cause: string;
  why: string;
}

export interface AttemptView {
  attempt: number;
  run: number;
  workerId: string;
  startedAt: string;
  finishedAt: string | null;
  ok: boolean;
  reason: string | null;
  exitCode: number | null;
  signal: number | null;
  message: string | null;
  usage: UsageView | null;
  output: OutputView | null;
  proof: ProofView | null;
}

export interface BackoffSec {
  firstSec?: number;
  maxSec?: number;
}

export interface BackoffView {
  firstSec: number;
  maxSec: number;
}

export interface CancelView {
  jobId: string;
  outcome: 'asked' | 'cancelled' | 'not_found' | 'too_late';
  status: string | null;
}

export interface ErrorBody {
  code: string;
  message: string;
  field?: string | null;
  mend?: string | null;
  expected?: Record<string, any> | null;
}

export interface ErrorView {
  error: ErrorBody;
}

export interface EventView {
  at: string;
  event: string;
  status: string;
  attempt: number;
  who: string | null;
  note: string | null;
}

export interface JobRow {
  jobId: string;
  name: string | null;
  command: string | string[];
  status: string;
  reason: string | null;
  exitCode: number | null;
  signal: number | null;
  message: string | null;
  waitingFor: string | null;
  attempt: number;
  run: number;
  workerId: string | null;
  priority: number;
  tags: string[];
  createdAt: string;
  queuedAt: string | null;
  startedAt: string | null;
  finishedAt: string | null;
  cancelRequested: boolean;
  confirmed: boolean | null;
  waitingMend?: string | null;
}

export interface JobView {
  jobId: string;
  name: string | null;
  command: string | string[];
  status: string;
  reason: string | null;
  exitCode: number | null;
  signal: number | null;
  message: string | null;
  waitingFor: string | null;
  attempt: number;
  run: number;
  workerId: string | null;
  createdAt: string;
  queuedAt: string | null;
  startedAt: string | null;
  finishedAt: string | null;
  cancelRequested: boolean;
  confirmed: boolean | null;
  timeoutSec: number | null;
  killGraceSec: number | null;
  cpu: number | null;
  ramMb: number | null;
  labels: Record<string, string>;
  tags: string[];
  priority: number;
  maxRetries: number;
  retriesUsed: number;
  retryOn: string[];
  backoff: BackoffView;
  onLost: string;
  maxLost: number;
  lostUsed: number;
  runAt: string | null;
  ttlSec: number | null;
  stdinBytes: number;
  env: Record<string, string>;
  rerunOf: string | null;
  owner: string;
  usage: UsageView | null;
  output: OutputView;
  attempts: AttemptView[];
  history: EventView[];
  waitingMend?: string | null;
  containerImage?: string | null;
  network?: string | null;
  pull?: string | null;
  user?: string | null;
  phase?: string | null;
}

export interface JobsPage {
  jobs: JobRow[];
  next: string | null;
}

export interface JoinTokenView {
  joinTokenId: string;
  name: string | null;
  token: string | null;
  state: 'expired' | 'good' | 'revoked' | 'used';
  uses: number;
  used: number;
  labels: Record<string, string>;
  createdAt: string;
  createdBy: string;
  expiresAt: string;
  workers: string[];
}

export interface JoinTokensView {
  joinTokens: JoinTokenView[];
}

export interface MeView {
  user: UserView;
  permissions: string[];
  expiresAt: string;
  serverVersion: string;
}

export interface NewJob {
  command: string | string[];
  env?: Record<string, string>;
  name?: string | null;
  timeoutSec?: number | null;
  killGraceSec?: number | null;
  cpu?: number | null;
  ramMb?: number | null;
  stdin?: string | null;
  requires?: Record<string, string>;
  priority?: number;
  maxRetries?: number;
  retryOn?: string[];
  backoff?: BackoffSec;
  onLost?: 'hold' | 'requeue';
  maxLost?: number;
  runAt?: string | null;
  ttlSec?: number | null;
  tags?: string[];
  containerImage?: string | null;
  network?: 'bridge' | 'none' | null;
  pull?: 'always' | 'missing' | 'never' | null;
  user?: string | null;
}

export interface NewJoinToken {
  name?: string | null;
  uses?: number;
  expiresSec?: number;
  labels?: Record<string, string>;
}

export interface OutputView {
  stdout: StreamView;
  stderr: StreamView;
}

export interface ProofView {
  left: number;
  survivors: string[];
}

export interface RunningView {
  jobId: string;
  attempt: number;
  status: string;
}

export interface StreamView {
  bytes: number;
  digest: string | null;
  whole: boolean | null;
  lost: [number, number][];
}

export interface UsageView {
  cpuSec: number;
  peakRssMb: number;
}

export interface UserView {
  userId: string;
  email: string;
  role: string;
}

export interface WorkerView {
  workerId: string;
  name: string;
  state: 'draining' | 'lost' | 'offline' | 'online' | 'revoked' | 'suspect';
  version: string;
  platform: string;
  slots: number;
  freeSlots: number | null;
  executors: string[];
  labels: Record<string, string>;
  cpu: number | null;
  ramMb: number | null;
  limits: string | null;
  transport: 'polling' | 'socket' | null;
  load: Record<string, any> | null;
  registeredAt: string;
  lastSeenAt: string | null;
  jobs: RunningView[];
  draining?: boolean;
  givenLabels?: Record<string, string>;
  warning?: WorkerWarning | null;
  absences?: AbsenceView[];
}

export interface WorkerWarning {
  code: 'cloned' | 'suspect';
  message: string;
  mend: string;
}

export interface WorkersView {
  workers: WorkerView[];
}
