// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Two parties pay each other off chain, and settle here
/// @author Proofmill
/// @notice A state names the deposits that it was signed against, so that no later deposit can make it invalid: what
/// came later goes back to whoever deposited it. docs/contracts.md has the states and the trust assumptions.
/// @dev States and closes are signed as EIP-712 typed data under the domain {"PaymentChannel", "1", chain id, this
/// contract}, by the keys that the channel's address commits to:
/// `ChannelState(bytes32 channelId,uint256 aliceDeposited,uint256 bobDeposited,uint256 aliceBalance,uint256 bobBalance,
/// uint64 nonce)` and `CooperativeClose(bytes32 channelId,uint256 aliceDeposited,uint256 bobDeposited,
/// uint256 aliceFinal,uint256 bobFinal,uint64 nonce)`, both without the line breaks.
interface IPaymentChannel {
    /// @notice Where a channel is in its life. There is no way back.
    enum Status {
        Open,
        Disputed,
        Closed
    }

    /// @notice How the money is split, as both agreed off chain.
    /// @param aliceDeposited Alice's deposits that both knew of, in wei.
    /// @param bobDeposited Bob's.
    /// @param aliceBalance What is Alice's of their sum.
    /// @param bobBalance What is Bob's of it.
    /// @param nonce Number of the agreement, from 1: of two states the later one counts.
    struct ChannelState {
        uint256 aliceDeposited;
        uint256 bobDeposited;
        uint256 aliceBalance;
        uint256 bobBalance;
        uint64 nonce;
    }

    /// @notice An agreement to end the channel at once. Whoever signs one signs nothing after it.
    /// @param aliceDeposited Alice's deposits that both knew of, in wei.
    /// @param bobDeposited Bob's.
    /// @param aliceFinal What is Alice's of their sum.
    /// @param bobFinal What is Bob's of it.
    /// @param nonce Number of the agreement, after that of every state.
    struct CooperativeClose {
        uint256 aliceDeposited;
        uint256 bobDeposited;
        uint256 aliceFinal;
        uint256 bobFinal;
        uint64 nonce;
    }

    /// @notice Money came in.
    /// @param participant Whose deposit it is.
    /// @param amountWei What came, in wei.
    /// @param totalWei All that this participant ever deposited.
    event Deposited(address indexed participant, uint256 amountWei, uint256 totalWei);

    /// @notice A party wants to settle alone. Everybody who has a later state can answer until the time given.
    /// @param initiator Who it was.
    /// @param nonce Number of the state; 0 is the deposits themselves.
    /// @param alicePayout What Alice gets if nobody answers.
    /// @param bobPayout What Bob gets.
    /// @param expirationTime First moment, in Unix seconds, at which no answer is taken any more.
    event DisputeInitiated(
        address indexed initiator,
        uint64 nonce,
        uint256 alicePayout,
        uint256 bobPayout,
        uint256 expirationTime
    );

    /// @notice A dispute was answered with a later state.
    /// @param challenger Who sent it.
    /// @param nonce Number of the state.
    /// @param alicePayout What Alice gets if nobody has a later one.
    /// @param bobPayout What Bob gets.
    /// @param expirationTime First moment at which no answer is taken any more; later than before if this one was late.
    event DisputeChallenged(
        address indexed challenger,
        uint64 nonce,
        uint256 alicePayout,
        uint256 bobPayout,
        uint256 expirationTime
    );

    /// @notice The split is final; each party fetches its part with `withdraw`.
    /// @param aliceFinal Alice's part in wei.
    /// @param bobFinal Bob's.
    /// @param nonce Number of the state or close that decided.
    event ChannelClosed(uint256 aliceFinal, uint256 bobFinal, uint64 nonce);

    /// @notice A party fetched its part.
    /// @param participant Who it was.
    /// @param amountWei What it got.
    event Withdrawn(address indexed participant, uint256 amountWei);

    /// @notice This is the code that channels share, not a channel.
    error NotAChannel();

    /// @notice Only parties do this.
    /// @param caller Who is none.
    error NotParticipant(address caller);

    /// @notice A deposit of nothing.
    error NothingDeposited();

    /// @notice The channel is not where this can be done.
    /// @param got Its status.
    /// @param expected The status that is needed.
    error WrongStatus(Status got, Status expected);

    /// @notice The channel is closed; nothing changes its split any more.
    error ChannelAlreadyClosed();

    /// @notice A state names deposits that have not arrived.
    /// @param aliceDeposited Alice's as named.
    /// @param bobDeposited Bob's as named.
    /// @param aliceDeposit Alice's as arrived.
    /// @param bobDeposit Bob's as arrived.
    error DepositsMissing(
        uint256 aliceDeposited,
        uint256 bobDeposited,
        uint256 aliceDeposit,
        uint256 bobDeposit
    );

    /// @notice A state does not split exactly the deposits that it names.
    /// @param aliceBalance Alice's part.
    /// @param bobBalance Bob's part.
    /// @param totalWei The deposits.
    error BalancesMismatch(uint256 aliceBalance, uint256 bobBalance, uint256 totalWei);

    /// @notice There is an agreement at least as late.
    /// @param got Number that was given.
    /// @param stored Number of the agreement that stands; 0 where there is none.
    error NonceNotNewer(uint64 got, uint64 stored);

    /// @notice A signature is somebody else's, or of something else.
    /// @param expected The key that should have signed.
    /// @param got The key that did, if these bytes were signed at all.
    error WrongSigner(address expected, address got);

    /// @notice The time to answer is over.
    /// @param expirationTime When it was, in Unix seconds.
    error DisputeExpired(uint256 expirationTime);

    /// @notice The time to answer still runs.
    /// @param expirationTime When it ends, in Unix seconds.
    error DisputeRunning(uint256 expirationTime);

    /// @notice The caller has fetched all that is its part.
    /// @param caller The caller.
    error NothingToWithdraw(address caller);

    /// @notice The caller refused its money; it stays.
    /// @param caller The caller.
    /// @param amountWei What was offered.
    error PaymentRefused(address caller, uint256 amountWei);

    /// @notice Add to the caller's deposits. Only while open, and only for a party.
    function deposit() external payable;

    /// @notice Add to a party's deposits, from anybody: a wallet, a bridge, the factory. Only while open.
    /// @param participant Whose deposit it becomes.
    function depositFor(address participant) external payable;

    /// @notice Close at once, as both agreed. From anybody, and during a dispute as well.
    /// @param agreement What both signed; its nonce is above that of the state in dispute.
    /// @param aliceSignature By Alice's key.
    /// @param bobSignature By Bob's key.
    function cooperativeClose(
        CooperativeClose calldata agreement,
        bytes calldata aliceSignature,
        bytes calldata bobSignature
    ) external;

    /// @notice Settle alone, with the latest state that both signed. From a party or its key, once.
    /// @param state The state; its nonce is 1 or more.
    /// @param aliceSignature By Alice's key.
    /// @param bobSignature By Bob's key.
    function initiateDispute(
        ChannelState calldata state,
        bytes calldata aliceSignature,
        bytes calldata bobSignature
    ) external;

    /// @notice Settle alone where nothing was signed yet: everybody gets its deposits back, nonce 0.
    function initiateDepositDispute() external;

    /// @notice Answer a dispute with a later state. From anybody, so that a watchtower can.
    /// @param state The state.
    /// @param aliceSignature By Alice's key.
    /// @param bobSignature By Bob's key.
    function challengeDispute(
        ChannelState calldata state,
        bytes calldata aliceSignature,
        bytes calldata bobSignature
    ) external;

    /// @notice Close with the latest state that was given in the dispute. From anybody, once its time is over.
    function finalizeDispute() external;

    /// @notice Pay the caller its part. Each party for itself, so that one that refuses money harms nobody else.
    function withdraw() external;

    /// @notice Who the parties are; fixed by the channel's address.
    /// @return account The first one, who gets Alice's part.
    function alice() external view returns (address account);

    /// @notice Who the parties are; fixed by the channel's address.
    /// @return account The second one, who gets Bob's part.
    function bob() external view returns (address account);

    /// @notice Key that signs for Alice.
    /// @return account Its address.
    function aliceSigner() external view returns (address account);

    /// @notice Key that signs for Bob.
    /// @return account Its address.
    function bobSigner() external view returns (address account);

    /// @notice Time to answer a dispute.
    /// @return periodSeconds The time.
    function challengePeriod() external view returns (uint256 periodSeconds);

    /// @notice Name of this channel in signatures.
    /// @return id Hash of chain and address.
    function channelId() external view returns (bytes32 id);

    /// @notice Where the channel is in its life.
    /// @return value The status.
    function status() external view returns (Status value);

    /// @notice All that Alice ever deposited.
    /// @return amountWei In wei.
    function aliceDeposit() external view returns (uint256 amountWei);

    /// @notice All that Bob ever deposited.
    /// @return amountWei In wei.
    function bobDeposit() external view returns (uint256 amountWei);

    /// @notice Number of the agreement that stands; 0 where there is none.
    /// @return value The number.
    function nonce() external view returns (uint64 value);

    /// @notice First moment at which no answer to the dispute is taken.
    /// @return timestamp Unix seconds; 0 where there was no dispute.
    function expirationTime() external view returns (uint256 timestamp);

    /// @notice The split that stands: in a dispute what happens if nobody answers, afterwards what is final.
    /// @return aliceWei Alice's part.
    /// @return bobWei Bob's part.
    function payouts() external view returns (uint256 aliceWei, uint256 bobWei);

    /// @notice What a party has fetched.
    /// @param participant The party.
    /// @return amountWei In wei.
    function withdrawnAmounts(address participant) external view returns (uint256 amountWei);
}
