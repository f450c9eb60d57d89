/**
 * Who takes part, as data. Add a line here to measure another way of opening our prover.
 */
import { pathOf } from "../../worker/engines/wasm/choice.ts";
import type { Open } from "./contender.ts";
import { type NativePeer, openNative } from "./native.ts";
import { openNodeContender } from "./node-contender.ts";

export type Role = "ours" | "peer";

export interface ContenderPlan {
  readonly id: string;
  /** For people, in tables and plots. */
  readonly title: string;
  readonly role: Role;
  /** Cores that one proof may use. */
  readonly threads: "all" | "one";
  /** With "all": the same prover with one thread, several of which can share the cores. */
  readonly oneThreadId?: string;
  /**
   * What `loaded.engineName` must begin with. A prover that quietly gives another engine than it was
   * asked for, or other kernels, is left out rather than measured under a wrong name.
   */
  readonly engine: string;
  readonly open: Open;
  /** The largest domain (log2) that it is worth waiting for. */
  readonly maxLog2?: number;
  /** Its time of a proof holds start and key load as well. */
  readonly includesKeyLoad?: true;
}

/** Larger ones take minutes a proof in snarkjs's arithmetic. */
const SLOW_MAX_LOG2 = 18;

/** Options of `Prover.open`. Without `kernels` it falls back where it must, and `engine` notices. */
interface OurOptions {
  readonly engine: "wasm";
  readonly threads: "all" | "one";
  readonly kernels?: "fma" | "extmul";
  readonly revectorize?: boolean;
}

const ours = (
  id: string,
  title: string,
  options: OurOptions,
  more: Pick<ContenderPlan, "maxLog2" | "oneThreadId"> = {},
): ContenderPlan => ({
  id,
  title,
  role: "ours",
  threads: options.threads,
  engine: engineNameOf(options),
  open: (fixture, placement) => openNodeContender("ours-child", options, fixture, placement),
  ...more,
});

/** What our engine calls itself when it has got the kernels that were asked for. */
function engineNameOf({ engine, kernels = "fma", revectorize = true }: OurOptions): string {
  return `${engine} (${pathOf({ representation: kernels, revectorize })})`;
}

const snarkjs = (threads: "all" | "one"): ContenderPlan => ({
  id: threads === "all" ? "snarkjs" : "snarkjs-1",
  title: threads === "all" ? "snarkjs" : "snarkjs, one thread",
  role: "peer",
  threads,
  ...(threads === "all" && { oneThreadId: "snarkjs-1" }),
  engine: "snarkjs",
  maxLog2: SLOW_MAX_LOG2,
  open: (fixture, placement) =>
    openNodeContender("snarkjs-child", { singleThread: threads === "one" }, fixture, placement),
});

const native = (peer: NativePeer, threads: "all" | "one", cores: number): ContenderPlan => ({
  id: threads === "all" ? peer.name : `${peer.name}-1`,
  title: threads === "all" ? peer.name : `${peer.name}, one thread`,
  role: "peer",
  threads,
  ...(threads === "all" && { oneThreadId: `${peer.name}-1` }),
  engine: peer.name,
  open: (fixture, placement) => openNative(peer, threads === "all" ? cores : 1, fixture, placement),
  ...(peer.protocol === "command" && { includesKeyLoad: true as const }),
});

/**
 * Every contender, ours first.
 *
 * @param cores  how many threads "all" are.
 */
export function contenderPlans(peers: readonly NativePeer[], cores: number): ContenderPlan[] {
  const wasm = { engine: "wasm" } as const;
  const plain = { engine: "wasm", revectorize: false } as const;
  const fallback = { engine: "wasm", kernels: "extmul" } as const;
  const slow = { maxLog2: SLOW_MAX_LOG2 };
  return [
    ...bothWays("wasm", "proofmill", wasm),
    ...bothWays("wasm-plain", "proofmill without the flag", plain),
    ...bothWays("wasm-fallback", "proofmill, fallback kernels", fallback, slow),
    ...peers.flatMap((peer) => [native(peer, "all", cores), native(peer, "one", cores)]),
    snarkjs("all"),
    snarkjs("one"),
  ];
}

/** One of our engines on all cores, and on one. */
function bothWays(
  id: string,
  title: string,
  options: Omit<OurOptions, "threads">,
  more: Pick<ContenderPlan, "maxLog2"> = {},
): ContenderPlan[] {
  const oneThreadId = `${id}-1`;
  return [
    ours(id, title, { ...options, threads: "all" }, { ...more, oneThreadId }),
    ours(oneThreadId, `${title}, one thread`, { ...options, threads: "one" }, more),
  ];
}
