import { parseAbi } from "viem";

/**
 * Everything of ZKRollup that is used off chain. A test compares it with the compiled contract.
 * Amounts named `Gwei` are gwei, amounts named `Wei` are wei.
 */
export const ROLLUP_ABI = parseAbi([
  // blocks
  "function commitBlock(bytes32 newStateRoot, bytes32 transactionsHash, uint256[2] pA, uint256[2][2] pB, uint256[2] pC, uint256[5] publicSignals, bytes txData)",
  "function currentStateRoot() view returns (bytes32)",
  "function blockCount() view returns (uint256)",
  "function processedTransactions(bytes32) view returns (bool)",
  "function domain() view returns (uint256)",
  "function circuitId() view returns (bytes32)",
  "event BlockCommitted(uint256 indexed blockNumber, bytes32 stateRoot)",
  "event BlockData(uint256 indexed blockNumber, uint256 firstItem, uint8 itemCount, bytes txData)",
  "event TransactionProcessed(bytes32 indexed txHash)",
  // accounts and the queue
  "function register(uint256 ax, uint256 ay) payable returns (uint32 index)",
  "function topUp(uint32 index, bytes32 expectedAccount) payable",
  "function requestExit(uint32 index) payable returns (uint256 id)",
  "function nextIndex() view returns (uint32)",
  "function queueHead() view returns (uint256)",
  "function queueTail() view returns (uint256)",
  "event AccountRegistered(uint32 indexed index, address indexed owner, uint256 ax, uint256 ay)",
  "event ItemQueued(uint256 indexed id, uint8 kind, uint32 indexed index, uint64 amountGwei, uint64 overdueAt)",
  // exits
  "function verifyInclusion(bytes32 leaf, bytes32[] proof, uint256 index) view returns (bool)",
  "function withdraw(uint256 amountWei, uint256 nonce, bytes32[] proof, uint256 index)",
  "function withdrawCredit()",
  "function credits(address) view returns (uint256)",
  "event CreditAdded(address indexed account, uint256 amountWei)",
  "event CreditWithdrawn(address indexed account, uint256 amountWei)",
]);
