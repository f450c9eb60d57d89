import { isIPv6 } from "node:net";

/** How many connections a port holds. */
export interface ConnectionLimits {
  readonly connectionsMax: number;
  /** From one IPv4 address, or from one IPv6 network of 64 bits, which one host may have for itself. */
  readonly connectionsPerAddressMax: number;
}

/** Counts the connections of a port, in all and by peer. */
export class ConnectionCount {
  readonly #limits: ConnectionLimits;
  readonly #byPeer = new Map<string, number>();
  #all = 0;

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }

  get all(): number {
    return this.#all;
  }

  /** Counts one more and returns the way to let it go, or undefined if there is no room for it. */
  enter(address: string): (() => void) | undefined {
    const peer = peerOf(address);
    const count = this.#byPeer.get(peer) ?? 0;
    const { connectionsMax, connectionsPerAddressMax } = this.#limits;
    if (this.#all >= connectionsMax || count >= connectionsPerAddressMax) return undefined;
    this.#all++;
    this.#byPeer.set(peer, count + 1);
    let isIn = true;
    return () => {
      if (!isIn) return;
      isIn = false;
      this.#all--;
      const left = (this.#byPeer.get(peer) as number) - 1;
      if (left === 0) this.#byPeer.delete(peer);
      else this.#byPeer.set(peer, left);
    };
  }
}

/** The IPv4 address, also of one that is written as IPv6, or the first 64 bits of an IPv6 address. */
export function peerOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!isIPv6(address)) return address;
  const [head = "", tail] = (address.split("%")[0] as string).split("::");
  const groups = head === "" ? [] : head.split(":");
  if (tail !== undefined) {
    const rest = tail === "" ? [] : tail.split(":");
    // A dotted quad at the end stands for two groups.
    const restCount = rest.length + (tail.includes(".") ? 1 : 0);
    while (groups.length + restCount < 8) groups.push("0");
    groups.push(...rest);
  }
  const network = groups.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
  return `${network.join(":")}::/64`;
}
