// A watchtower: keeps the latest states of channels, and answers disputes about earlier ones while their parties sleep.
//
// It is trusted with nothing but being awake: it holds no party's key, and giving the chain a state that both signed is
// all that it can do. Its account pays the gas.

import { setTimeout as pause } from "node:timers/promises";
import {
  type Address,
  createPublicClient,
  createWalletClient,
  getAddress,
  type Hex,
  http,
  isAddress,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { OperatorError } from "../errors.ts";
import type { Log } from "../log.ts";
import { nodeFailure } from "../node-failure.ts";
import { AgreementHasher, type ChannelState, type ChannelTerms } from "./agreement.ts";
import { AnswerSender } from "./answer-sender.ts";
import { ChannelReader } from "./channel-reader.ts";
import { DisputeWatch } from "./dispute-watch.ts";
import { isFullySigned, type SignedState } from "./signed-state.ts";
import { serveTower, type TowerApi } from "./tower-api.ts";
import { TowerStore } from "./tower-store.ts";

export interface TowerConfig {
  /** JSON-RPC of an L1 node. */
  readonly rpcUrl: string;
  readonly factory: Address;
  /** Folder of its states. */
  readonly folder: string;
  /** Where clients reach it; port 0 takes a free one. */
  readonly apiHost?: string;
  readonly apiPort?: number;
  readonly pollIntervalMs?: number;
  readonly maxFeePerGasGwei?: number;
  /** Unmined for so long, an answer is replaced by one with a higher fee. */
  readonly resendAfterMs?: number;
  readonly sweepMs?: number;
  readonly maxChannels?: number;
}

/** The environment variable with the key that pays for answers: 0x and 64 hex digits. Never logged, never in a file. */
export const TOWER_KEY_VARIABLE = "WATCHTOWER_L1_PRIVATE_KEY";

const DEFAULTS = {
  apiHost: "127.0.0.1", // no TLS and no log-in: a proxy in front of it has
  apiPort: 8646,
  pollIntervalMs: 6_000, // half a slot
  maxFeePerGasGwei: 1_000, // an answer is late once only: far above what gas costs on bad days
  resendAfterMs: 36_000, // three slots
  sweepMs: 600_000, // six times in the shortest challenge period
  maxChannels: 10_000, // a sweep is some 30,000 small calls then
} as const;

export interface RunningTower {
  readonly apiUrl: string;
  stop(): Promise<void>;
}

/** @throws OperatorError CONFIG_INVALID, CHAIN_MISMATCH, CHANNEL_STORE_LOCKED; viem's errors if the node does not answer. */
export async function startTower(
  config: TowerConfig,
  dependencies: {
    readonly log: Log;
    readonly environment: Readonly<Record<string, string | undefined>>;
  },
): Promise<RunningTower> {
  const checked = checkTowerConfig(config);
  const account = privateKeyToAccount(towerKey(dependencies.environment));
  const { log } = dependencies;
  const transport = http(checked.rpcUrl, { timeout: 10_000 });
  const read = createPublicClient({ transport, cacheTime: 0 });
  const reader = await ChannelReader.open(read, checked.factory);
  const chainId = await read.getChainId();
  const store = await TowerStore.open({ ...checked, chainId }, log);
  const sender = new AnswerSender(
    { maxFeePerGasWei: BigInt(checked.maxFeePerGasGwei) * 10n ** 9n, ...checked },
    { read, signer: createWalletClient({ account, transport }), log },
  );
  const watch = new DisputeWatch(
    { sweepMs: checked.sweepMs, rangeBlocks: 1_000 },
    { reader, sender, states: store, log },
  );
  const tower = new Tower(chainId, store, reader, watch);
  let api: TowerApi;
  try {
    api = await serveTower({ host: checked.apiHost, port: checked.apiPort, log }, tower);
  } catch (error) {
    store.close();
    throw error;
  }
  const stop = new AbortController();
  const looping = tower.loop(checked.pollIntervalMs, log, stop.signal);
  log.info({ api: api.url, chainId, channels: store.channels.length }, "watchtower started");
  return {
    apiUrl: api.url,
    async stop() {
      stop.abort();
      await api.close();
      await looping;
      store.close();
    },
  };
}

/** A code of a deployed channel never changes, but a reorganisation can take one away: not remembered for ever. */
const TERMS_KEPT_MAX = 10_000;

class Tower {
  readonly #chainId: number;
  readonly #store: TowerStore;
  readonly #reader: ChannelReader;
  readonly #watch: DisputeWatch;
  readonly #terms = new Map<Address, ChannelTerms>();
  #failure: string | undefined;

  constructor(chainId: number, store: TowerStore, reader: ChannelReader, watch: DisputeWatch) {
    this.#chainId = chainId;
    this.#store = store;
    this.#reader = reader;
    this.#watch = watch;
  }

  /** @throws OperatorError CHANNEL_UNKNOWN, CHANNEL_SIGNATURE, CHANNEL_REFUSED, TOWER_FULL */
  async keep(channel: Address, state: SignedState): Promise<bigint> {
    const known = this.nonceOf(channel);
    if (known !== undefined && known >= state.state.nonce) return known;
    const terms = await this.#termsOf(channel);
    const hasher = new AgreementHasher({ chainId: this.#chainId, channel });
    if (!(await isFullySigned(hasher, "state", state, terms))) {
      throw new OperatorError(
        "CHANNEL_SIGNATURE",
        "the contract would refuse this state: nonce 0, not a split of the deposits it names, or not signed by both keys of the channel.",
        { path: "state" },
      );
    }
    await this.#requireDeposits(channel, state.state);
    await this.#store.keep(channel, state);
    this.#watch.touch(channel);
    return this.nonceOf(channel) ?? state.state.nonce;
  }

  /**
   * A state that the chain cannot pay must not take the place of one that it can. Deposits only grow, so what the kept
   * state names is not asked for again.
   */
  async #requireDeposits(channel: Address, state: ChannelState): Promise<void> {
    const kept = this.#store.state(channel)?.state;
    const { aliceDeposited, bobDeposited } = state;
    if (kept && aliceDeposited <= kept.aliceDeposited && bobDeposited <= kept.bobDeposited) return;
    const { aliceWei, bobWei } = await this.#reader.deposits(channel, 0);
    if (aliceDeposited > aliceWei || bobDeposited > bobWei) {
      throw new OperatorError(
        "CHANNEL_REFUSED",
        "the state names deposits that are not on the chain. Bring it again once they are.",
        {
          path: "state",
          got: `${aliceDeposited}, ${bobDeposited}`,
          expected: `${aliceWei}, ${bobWei}`,
        },
      );
    }
  }

  nonceOf(channel: Address): bigint | undefined {
    return this.#store.state(channel)?.state.nonce;
  }

  status(): object {
    const { head, active } = this.#watch;
    return {
      chainId: this.#chainId,
      channels: this.#store.channels.length,
      observed: active.length,
      damaged: this.#store.damaged,
      l1: head && { number: head.number, timestamp: head.timestamp },
      ...(this.#failure !== undefined && { failure: this.#failure }),
    };
  }

  /** Round after round until told to stop; a node that does not answer is asked again. */
  async loop(pollIntervalMs: number, log: Log, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#watch.advance();
        this.#failure = undefined;
      } catch (error) {
        this.#failure = nodeFailure(error);
        log.error({ failure: this.#failure }, "round failed");
      }
      await pause(pollIntervalMs, undefined, { signal }).catch(() => {});
    }
  }

  async #termsOf(channel: Address): Promise<ChannelTerms> {
    const known = this.#terms.get(channel);
    if (known) return known;
    const terms = await this.#reader.terms(channel);
    if (this.#terms.size >= TERMS_KEPT_MAX) this.#terms.clear();
    this.#terms.set(channel, terms);
    return terms;
  }
}

/** @throws OperatorError CONFIG_INVALID with all problems together. */
function checkTowerConfig(config: TowerConfig) {
  const given = Object.entries(config).filter(([, value]) => value !== undefined);
  const full = { ...DEFAULTS, ...(Object.fromEntries(given) as unknown as TowerConfig) };
  const problems: string[] = [];
  const require = (isGood: boolean, problem: string): void => {
    if (!isGood) problems.push(problem);
  };
  const whole = (name: keyof typeof DEFAULTS, min: number, max: number): void => {
    const value = full[name] as number;
    require(Number.isInteger(value) &&
      value >= min &&
      value <= max, `${name}: got ${value}, expected a whole number from ${min} to ${max}`);
  };
  // The URL of a node may hold a key: not shown.
  require(/^https?:$/.test(
    URL.parse(String(config.rpcUrl))?.protocol ?? "",
  ), "rpcUrl: expected an http or https URL");
  require(isAddress(String(config.factory), {
    strict: false,
  }), `factory: got ${config.factory}, expected an address`);
  require(typeof config.folder === "string" && config.folder !== "", "folder: expected a path");
  require(typeof full.apiHost === "string" && full.apiHost !== "", "apiHost: expected a host name");
  whole("apiPort", 0, 65_535);
  whole("pollIntervalMs", 10, 600_000);
  whole("maxFeePerGasGwei", 1, 1_000_000);
  whole("resendAfterMs", 100, 3_600_000);
  whole("sweepMs", 100, 3_600_000);
  whole("maxChannels", 1, 1_000_000);
  if (problems.length > 0) {
    throw new OperatorError("CONFIG_INVALID", `configuration refused:\n  ${problems.join("\n  ")}`);
  }
  return { ...full, factory: getAddress(config.factory) };
}

/** @throws OperatorError CONFIG_INVALID  without quoting it. */
function towerKey(environment: Readonly<Record<string, string | undefined>>): Hex {
  const key = environment[TOWER_KEY_VARIABLE];
  if (key !== undefined && /^0x[0-9a-fA-F]{64}$/.test(key)) return key as Hex;
  throw new OperatorError(
    "CONFIG_INVALID",
    `${TOWER_KEY_VARIABLE}: got ${key === undefined ? "nothing" : `${key.length} characters`}, ` +
      "expected 0x and 64 hex digits, in the environment.",
  );
}
