// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev keccak256("proofmill.ledger.state.v1"): separates state roots from every other use of keccak256.
bytes32 constant VM_TAG = keccak256("proofmill.ledger.state.v1");

/// @dev keccak256("proofmill.ledger.account.v1"): separates account leaves from every other use of keccak256.
bytes32 constant LEAF_TAG = keccak256("proofmill.ledger.account.v1");

/// @dev Levels of the account tree: 1,048,576 accounts.
uint256 constant ACCOUNT_DEPTH = 20;

/// @dev Levels of the exit tree: 4,294,967,296 messages, more than L1 has room to make in millennia.
uint256 constant EXIT_DEPTH = 32;

/// @dev Does nothing.
uint8 constant OP_NOOP = 0;
/// @dev Money from L1. Only the queue makes it.
uint8 constant OP_DEPOSIT = 1;
/// @dev Money from one account to another, by signature.
uint8 constant OP_TRANSFER = 2;
/// @dev Money from an account to another domain, by signature.
uint8 constant OP_EXIT = 3;
/// @dev A transfer or exit on the word of its L1 sender. Only the queue makes it.
uint8 constant OP_FORCED = 4;
/// @dev The collected fees go to an account.
uint8 constant OP_FEE = 5;
// 6 is kept for closing a channel with two signatures. Such a record has twice the signatures of the others, so it
// needs records of two slots, three openings, and nothing else of what is here changes.
/// @dev What a record becomes whose opcode records cannot have.
uint8 constant OP_UNKNOWN = 255;

/// @notice How an instruction ended. All but `Done` are bad transactions, whose money stays where it was.
enum Outcome {
    Done,
    UnknownOpcode,
    Malformed,
    Expired,
    IndexOutOfRange,
    AccountEmpty,
    NotAuthorized,
    NonceMismatch,
    NonceExhausted,
    BalanceTooLow,
    FeePotFull,
    ReceiverZero,
    OwnerMismatch,
    BalanceOverflow,
    DestinationIsSource,
    ExitTreeFull
}

/// @notice Everything that a state root commits to.
/// @param accountsRoot Root of the account tree.
/// @param exitRoot Root of the tree of outgoing messages.
/// @param exitCount Messages in it; they fill the slots from 0 without gaps.
/// @param l1Cursor Queue entries executed so far.
/// @param feePot Fees collected and not yet paid out, in wei.
struct VMState {
    bytes32 accountsRoot;
    bytes32 exitRoot;
    uint64 exitCount;
    uint64 l1Cursor;
    uint128 feePot;
}

/// @notice One account. All zero: there is none.
/// @param owner Whose signature or L1 call moves the money.
/// @param nonce Instructions that debited it so far.
/// @param balance In wei.
struct Account {
    address owner;
    uint64 nonce;
    uint128 balance;
}

/// @notice An account with its way to the root of the account tree.
/// @param account The account.
/// @param siblings The sibling on each level, from the leaf up.
struct Opening {
    Account account;
    bytes32[] siblings;
}

/// @title Hashes of the ledger
/// @author Proofmill
/// @notice State roots and account leaves, the same for the VM, for who compares its results, and for who proves an
/// exit root out of a state root.
library LedgerTypes {
    /// @notice Hash of a state.
    /// @param state The state.
    /// @return root Hash over the tag and each field in a word of its own.
    function stateRoot(VMState memory state) internal pure returns (bytes32 root) {
        return
            keccak256(
                abi.encode(
                    VM_TAG,
                    state.accountsRoot,
                    state.exitRoot,
                    state.exitCount,
                    state.l1Cursor,
                    state.feePot
                )
            );
    }

    /// @notice Leaf of an account.
    /// @dev 128 bytes, a node has 64: neither passes for the other.
    /// @param account The account.
    /// @return hash Zero exactly for no account.
    function leaf(Account memory account) internal pure returns (bytes32 hash) {
        if (isEmpty(account)) return 0;
        return keccak256(abi.encode(LEAF_TAG, account.owner, account.nonce, account.balance));
    }

    /// @notice Whether this is no account.
    /// @param account The account.
    /// @return empty True if every field is zero.
    function isEmpty(Account memory account) internal pure returns (bool empty) {
        return account.owner == address(0) && account.nonce == 0 && account.balance == 0;
    }
}
