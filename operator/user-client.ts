// A user's side: one Ethereum account, its rollup wallet, the contract on L1 and an operator's API. The operator is
// not trusted with what a transfer says: the receiver's key and the last block come from L1. But it is the one who says
// whether a transfer was taken, and which nonce is next; until `validUntil` a signed transfer can run whatever it says.
// So a second try is signed with the nonce of the first: of two transfers with one nonce only one can ever run.

import {
  type Address,
  createPublicClient,
  createWalletClient,
  encodeAbiParameters,
  getAddress,
  type Hex,
  http,
  keccak256,
  type LocalAccount,
  type PublicClient,
  parseEventLogs,
  type TransactionReceipt,
} from "viem";
import { type AccountKey, pkHashOf } from "../circuits/account.ts";
import { rollupDomain } from "../circuits/data.ts";
import { WEI_PER_GWEI } from "../circuits/exits.ts";
import { ROLLUP_ABI } from "../circuits/rollup-abi.ts";
import { type SignedTransfer, TransferType } from "../circuits/transfer.ts";
import {
  signTransfer,
  type Wallet,
  walletFromSignature,
  walletMessage,
} from "../circuits/wallet.ts";
import { OperatorError } from "./errors.ts";
import { revertReason } from "./revert-reason.ts";
import { formatTransfer } from "./transfer-json.ts";

export interface UserOptions {
  readonly rpcUrl: string;
  readonly rollup: Address;
  /** The operator's API, without a slash at the end. */
  readonly apiUrl: string;
  /** viem's account with its key at hand. */
  readonly account: LocalAccount;
}

export interface AccountView {
  readonly index: number;
  readonly owner: Address;
  readonly balanceGwei: bigint;
  /** First nonce that a new transfer may carry. */
  readonly nextNonce: bigint;
}

export interface Payment {
  /** Sender; the user's first account if left out. */
  readonly from?: number;
  readonly to: number;
  readonly amountGwei: bigint;
  readonly feeGwei?: bigint;
  /** Left out: the operator is asked. For a second try of a payment name the first one's, or both may be executed. */
  readonly nonce?: bigint;
  /** Rollup blocks from the next one in which it may be executed. */
  readonly validForBlocks?: number;
}

/** An answer of the API that is not a success, as it came. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly httpStatus: number;
  readonly code: string;
  readonly path: string | undefined;
  readonly got: string | undefined;
  readonly expected: string | undefined;

  constructor(httpStatus: number, error: Record<string, string>) {
    super(error.message ?? `HTTP ${httpStatus}`);
    this.httpStatus = httpStatus;
    this.code = error.code ?? "UNKNOWN";
    this.path = error.path;
    this.got = error.got;
    this.expected = error.expected;
  }
}

/** Long enough for a queue of proofs, short enough that a lost key stops being a risk. */
const VALID_FOR_BLOCKS = 100;
const POLL_MS = 100;
const ACCOUNT_ABI = [{ type: "uint256" }, { type: "uint256" }, { type: "address" }] as const;

export class UserClient {
  readonly owner: Address;
  readonly rollup: Address;
  readonly domain: bigint;
  readonly wallet: Wallet;
  readonly #read: PublicClient;
  readonly #signer: ReturnType<typeof createWalletClient>;
  readonly #account: LocalAccount;
  readonly #apiUrl: string;

  private constructor(
    options: UserOptions,
    read: PublicClient,
    derived: { wallet: Wallet; domain: bigint },
  ) {
    this.owner = options.account.address;
    this.rollup = options.rollup;
    this.wallet = derived.wallet;
    this.domain = derived.domain;
    this.#account = options.account;
    this.#apiUrl = options.apiUrl;
    this.#read = read;
    this.#signer = createWalletClient({
      account: options.account,
      transport: http(options.rpcUrl),
    });
  }

  /** Derives the rollup wallet from one signature of the Ethereum account, bound to chain and contract. */
  static async open(options: UserOptions): Promise<UserClient> {
    const { account, rollup, rpcUrl } = options;
    const read = createPublicClient({ transport: http(rpcUrl), pollingInterval: POLL_MS });
    const chainId = await read.getChainId();
    const signature = await account.signMessage({ message: walletMessage({ chainId, rollup }) });
    const wallet = walletFromSignature(signature);
    return new UserClient(options, read, { wallet, domain: rollupDomain(chainId, rollup) });
  }

  get key(): AccountKey {
    return { ax: this.wallet.ax, ay: this.wallet.ay, owner: BigInt(this.owner) };
  }

  /** Opens an account with a first deposit; its index is final after L1's finality. */
  async register(depositGwei: bigint): Promise<{ index: number; receipt: TransactionReceipt }> {
    const receipt = await this.write("register", [this.wallet.ax, this.wallet.ay], depositGwei);
    const [event] = parseEventLogs({
      abi: ROLLUP_ABI,
      logs: receipt.logs,
      eventName: "AccountRegistered",
    });
    return { index: event?.args.index ?? 0, receipt };
  }

  /** Deposits to an account of anybody's; the contract refuses if it is not who L1 says now. */
  async topUp(index: number, depositGwei: bigint): Promise<TransactionReceipt> {
    const { ax, ay, owner } = await this.accountOnL1(index);
    const expected = keccak256(encodeAbiParameters(ACCOUNT_ABI, [ax, ay, owner]));
    return this.write("topUp", [index, expected], depositGwei);
  }

  /** Queues the exit of the whole balance, without the operator's consent. */
  async requestExit(index: number): Promise<TransactionReceipt> {
    return this.write("requestExit", [index], 0n);
  }

  /** Signs a transfer and hands it to the operator. */
  async transfer(payment: Payment): Promise<Hex> {
    return this.submit(await this.sign(TransferType.transfer, payment));
  }

  /** Signs an exit, paid on L1 to the owner of `to` (the user's own account, usually). */
  async exit(payment: Payment): Promise<Hex> {
    return this.submit(await this.sign(TransferType.exit, payment));
  }

  async sign(type: SignedTransfer["type"], payment: Payment): Promise<SignedTransfer> {
    const from = payment.from ?? (await this.ownAccount()).index;
    const { ax, ay, owner } = await this.accountOnL1(payment.to);
    const nonce = payment.nonce ?? (await this.account(from)).nextNonce;
    // From L1: an operator could name a late block, to hold the transfer back for as long.
    const lastBlock = await this.#read.readContract({
      address: this.rollup,
      abi: ROLLUP_ABI,
      functionName: "blockCount",
    });
    const validUntil = Number(lastBlock) + (payment.validForBlocks ?? VALID_FOR_BLOCKS);
    return signTransfer({
      wallet: this.wallet,
      owner: BigInt(this.owner),
      domain: this.domain,
      transfer: {
        type,
        from,
        to: payment.to,
        amount: payment.amountGwei,
        fee: payment.feeGwei ?? 0n,
        validUntil,
      },
      recipient: pkHashOf({ ax, ay, owner: BigInt(owner) }),
      nonce,
    });
  }

  /** @throws ApiError with the operator's reason. */
  async submit(transfer: SignedTransfer): Promise<Hex> {
    const answer = await this.#call("POST", "/v1/transfers", formatTransfer(transfer));
    return answer.id as Hex;
  }

  /** Waits until a block has the transfer, or it is refused. */
  async waitForBlock(
    id: Hex,
    timeoutMs = 300_000,
  ): Promise<{ blockNumber: number; slot: number; transactionHash: Hex }> {
    const deadlineMs = Date.now() + timeoutMs;
    for (;;) {
      const receipt = await this.get(`/v1/transfers/${id}`);
      if (receipt.status === "committed") {
        const { blockNumber, slot, transactionHash } = receipt;
        return {
          blockNumber: Number(blockNumber),
          slot: Number(slot),
          transactionHash: transactionHash as Hex,
        };
      }
      if (receipt.status === "refused") {
        throw new ApiError(200, receipt.reason as Record<string, string>);
      }
      if (Date.now() > deadlineMs) {
        throw new OperatorError(
          "NOT_FOUND",
          `transfer ${id} is in no block after ${timeoutMs} ms.`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  /** Turns an exit into credit and fetches the credit: two transactions. */
  async withdraw(blockNumber: number, slot: number): Promise<readonly TransactionReceipt[]> {
    const exit = await this.get(`/v1/exits/${blockNumber}/${slot}`);
    const { args } = exit.withdraw as { args: [string, string, Hex[], string] };
    const [amountWei, nonce, proof] = args;
    return [
      await this.write("withdraw", [BigInt(amountWei), BigInt(nonce), proof, BigInt(nonce)]),
      await this.write("withdrawCredit", []),
    ];
  }

  async account(index: number): Promise<AccountView> {
    return toView(await this.get(`/v1/accounts/${index}`));
  }

  /** The user's first account. */
  async ownAccount(): Promise<AccountView> {
    const { accounts } = await this.get(`/v1/accounts?owner=${this.owner}`);
    const [first] = accounts as Record<string, unknown>[];
    if (first === undefined) {
      throw new OperatorError("NOT_FOUND", `${this.owner} has no account yet: call register.`);
    }
    return toView(first);
  }

  /** Reads a route of the operator's API. */
  async get(path: string): Promise<Record<string, unknown>> {
    return this.#call("GET", path);
  }

  /** Who L1 says an account belongs to. */
  async accountOnL1(index: number): Promise<{ ax: bigint; ay: bigint; owner: Address }> {
    const [owner, ax, ay] = await this.#read.readContract({
      address: this.rollup,
      abi: ROLLUP_ABI,
      functionName: "accounts",
      args: [index],
    });
    if (BigInt(owner) === 0n) {
      throw new OperatorError("NOT_FOUND", `account ${index} is not registered on L1.`);
    }
    return { ax, ay, owner: getAddress(owner) };
  }

  /**
   * Calls a function of the contract and waits for the receipt.
   *
   * @param depositGwei  left out: the call carries no money. Otherwise the entry fee is added.
   * @throws OperatorError L1_REQUEST_REVERTED  with the contract's error by name.
   */
  async write(
    functionName: string,
    args: readonly unknown[],
    depositGwei?: bigint,
  ): Promise<TransactionReceipt> {
    const value =
      depositGwei === undefined ? 0n : depositGwei * WEI_PER_GWEI + (await this.#entryFee());
    try {
      const hash = await this.#signer.writeContract({
        account: this.#account,
        chain: null,
        address: this.rollup,
        abi: ROLLUP_ABI,
        functionName,
        args,
        value,
      } as never);
      const receipt = await this.#read.waitForTransactionReceipt({ hash });
      if (receipt.status === "success") return receipt;
      throw new OperatorError("L1_REQUEST_REVERTED", `${functionName} reverted in ${hash}.`);
    } catch (error) {
      const reason = revertReason(error, ROLLUP_ABI);
      if (reason === undefined) throw error;
      throw new OperatorError(
        "L1_REQUEST_REVERTED",
        `${functionName} would revert: ${reason.text}.`,
        { ...(reason.name !== undefined && { got: reason.name }) },
        { cause: error },
      );
    }
  }

  async #entryFee(): Promise<bigint> {
    const { entryFeeWei } = await this.#read.readContract({
      address: this.rollup,
      abi: ROLLUP_ABI,
      functionName: "config",
    });
    return entryFeeWei;
  }

  async #call(method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
    const response = await fetch(`${this.#apiUrl}${path}`, {
      method,
      ...(body !== undefined && {
        body: JSON.stringify(body),
        headers: { "content-type": "application/json" },
      }),
    });
    const answer = (await response.json()) as Record<string, unknown>;
    if (response.ok) return answer;
    throw new ApiError(response.status, (answer.error ?? {}) as Record<string, string>);
  }
}

function toView(json: Record<string, unknown>): AccountView {
  return {
    index: Number(json.index),
    owner: json.owner as Address,
    balanceGwei: BigInt(json.balanceGwei as string),
    nextNonce: BigInt(json.nextNonce as string),
  };
}
