// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A dispute about one claim, narrowed down to one instruction
/// @author Proofmill
/// @notice Two parties agree on the state before `hi - lo` instructions and not on the state after them. They halve the
/// range until one instruction is left, and L1 executes that one. docs/contracts.md has the rules and the argument.
interface IInteractiveFraudProof {
    /// @notice Whose clock runs.
    enum Turn {
        Defender,
        Challenger
    }

    /// @notice One game.
    /// @dev Everything that a move changes besides one state lies in one slot.
    /// @param rootId The disputed claim.
    /// @param challenger Who disputes it. The defender is who made the claim.
    /// @param lo Instructions after which both agree on the state.
    /// @param hi Instructions after which they do not.
    /// @param lastMove L1 time since which the clock of `turn` runs, Unix seconds.
    /// @param clockDefender Time that the defender had left at that moment, in seconds.
    /// @param clockChallenger The same of the challenger.
    /// @param turn Whose move it is.
    /// @param resolved Whether the game is over.
    /// @param loState State root after `lo` instructions.
    /// @param hiState What the defender says of the state after `hi` instructions.
    /// @param midState What it says of the middle: meant only while the challenger is to choose.
    struct Challenge {
        uint64 rootId;
        address challenger;
        uint64 lo;
        uint64 hi;
        uint64 lastMove;
        uint24 clockDefender;
        uint24 clockChallenger;
        Turn turn;
        bool resolved;
        bytes32 loState;
        bytes32 hiState;
        bytes32 midState;
    }

    /// @notice A game has begun.
    /// @param challengeId The game.
    /// @param id The disputed claim.
    /// @param challenger Who disputes it.
    /// @param instructions How many instructions it is about.
    event ChallengeInitiated(
        uint64 indexed challengeId,
        uint64 indexed id,
        address indexed challenger,
        uint64 instructions
    );

    /// @notice The defender named the state in the middle.
    /// @param challengeId The game.
    /// @param mid Instructions before that state.
    /// @param midState The state.
    event Bisected(uint64 indexed challengeId, uint64 mid, bytes32 midState);

    /// @notice The challenger said in which half the error is.
    /// @param challengeId The game.
    /// @param agree Whether the state in the middle is right, so that the error comes after it.
    /// @param lo The new agreed position.
    /// @param hi The new disputed position.
    event Chosen(uint64 indexed challengeId, bool agree, uint64 lo, uint64 hi);

    /// @notice A game is over.
    /// @param challengeId The game.
    /// @param id The disputed claim.
    /// @param challengerWon The result.
    event ChallengeResolved(uint64 indexed challengeId, uint64 indexed id, bool challengerWon);

    /// @notice No game has this number.
    /// @param challengeId The number.
    error ChallengeUnknown(uint64 challengeId);

    /// @notice The game is over: nothing can be done in it any more.
    /// @param challengeId The game.
    error ChallengeOver(uint64 challengeId);

    /// @notice The other party is to move.
    /// @param challengeId The game.
    /// @param turn Whose move it is.
    error WrongTurn(uint64 challengeId, Turn turn);

    /// @notice The caller is not the party whose move it is.
    /// @param caller Who called.
    /// @param player Who may.
    error NotThePlayer(address caller, address player);

    /// @notice The move comes too late.
    /// @param challengeId The game.
    /// @param elapsed Seconds since the last move.
    /// @param clock Seconds that were left at it.
    error ClockRanOut(uint64 challengeId, uint256 elapsed, uint256 clock);

    /// @notice The party whose move it is still has time.
    /// @param challengeId The game.
    /// @param elapsed Seconds since the last move.
    /// @param clock Seconds that were left at it.
    error ClockStillRuns(uint64 challengeId, uint256 elapsed, uint256 clock);

    /// @notice One instruction is left: it is to be executed, there is no half to choose.
    /// @param challengeId The game.
    /// @param step Its position among the instructions of the claim.
    error StepIsolated(uint64 challengeId, uint64 step);

    /// @notice More than one instruction is left.
    /// @param challengeId The game.
    /// @param lo The agreed position.
    /// @param hi The disputed position.
    error StepNotIsolated(uint64 challengeId, uint64 lo, uint64 hi);

    /// @notice The defender names the state in the middle: after `lo + (hi - lo) / 2` instructions.
    /// @param challengeId The game.
    /// @param midState The state.
    function bisect(uint64 challengeId, bytes32 midState) external;

    /// @notice The challenger says in which half the error is.
    /// @param challengeId The game.
    /// @param agree True: the state in the middle is right, the error comes after it. False: it comes before.
    function choose(uint64 challengeId, bool agree) external;

    /// @notice Execute the one instruction that is left. For anybody, as long as the challenger has time: the burden of
    /// proof is its own.
    /// @param challengeId The game.
    /// @param inputs What shows the instruction; see the contract that holds the claims.
    /// @param preState What shows the state before it.
    function resolveChallenge(uint64 challengeId, bytes calldata inputs, bytes calldata preState) external;

    /// @notice End the game of a party that let its time run out. For anybody.
    /// @param challengeId The game.
    function claimTimeout(uint64 challengeId) external;

    /// @notice A game.
    /// @param challengeId The game.
    /// @return game As it stands.
    function challenges(uint64 challengeId) external view returns (Challenge memory game);

    /// @notice How many games were begun; they are numbered from 1.
    /// @return count The number of the last.
    function challengeCount() external view returns (uint64 count);

    /// @notice Time that each party has in a game for all its moves together.
    /// @return clockSeconds In seconds.
    function clock() external view returns (uint256 clockSeconds);
}
