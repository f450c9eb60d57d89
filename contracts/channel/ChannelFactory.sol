// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";

import {CloneTerms} from "./CloneTerms.sol";
import {IPaymentChannel} from "./IPaymentChannel.sol";

/// @title Makes payment channels at addresses that are known beforehand
/// @author Proofmill
/// @notice An address follows from what the two parties agree on, so they can name it, sign under it and let it own a
/// rollup account before anything is deployed. Anybody may deploy it; nobody can put anything else there.
/// @dev Not upgradable, without an owner. Trust in a channel is trust in this factory's code and its `IMPLEMENTATION`:
/// compare a channel's address with `channelAddress` before you deposit.
contract ChannelFactory {
    /// @notice Shortest time to answer: as long as the extension, which is what it takes to get a transaction through.
    uint32 public constant MIN_CHALLENGE_PERIOD = 1 hours;

    /// @notice Longest: a party whose partner is gone waits so long for its own money.
    uint32 public constant MAX_CHALLENGE_PERIOD = 30 days;

    /// @notice The code of all channels.
    address public immutable IMPLEMENTATION;

    /// @notice A channel was deployed.
    /// @param channel Its address.
    /// @param alice First party.
    /// @param bob Second party.
    /// @param aliceSigner Key that signs for Alice.
    /// @param bobSigner Key that signs for Bob.
    /// @param challengePeriod Seconds to answer a dispute.
    /// @param salt Tells channels of the same terms apart.
    event ChannelOpened(
        address indexed channel,
        address indexed alice,
        address indexed bob,
        address aliceSigner,
        address bobSigner,
        uint32 challengePeriod,
        bytes32 salt
    );

    /// @notice There is no contract to clone.
    /// @param implementation Where it should be.
    error ImplementationMissing(address implementation);

    /// @notice A party or key is missing, or both sides are the same.
    /// @param first Alice, or her key.
    /// @param second Bob, or his key.
    error PartiesNotTwo(address first, address second);

    /// @notice The time to answer cannot work.
    /// @param got Seconds that were given.
    /// @param minimum The fewest.
    /// @param maximum The most.
    error ChallengePeriodOutOfRange(uint32 got, uint32 minimum, uint32 maximum);

    /// @notice A factory of clones.
    /// @param implementation A deployed PaymentChannel.
    constructor(address implementation) {
        // A clone of nothing takes money and does nothing.
        if (implementation.code.length == 0) revert ImplementationMissing(implementation);
        IMPLEMENTATION = implementation;
    }

    /// @notice Deploy a channel unless it is there already, and deposit what comes along.
    /// @dev Not an error if somebody else was first: else everybody could stop a deposit by deploying the channel.
    /// @param terms What the parties agree on.
    /// @param salt Tells channels of the same terms apart.
    /// @param participant Whose deposit the money becomes; without meaning where none comes.
    /// @return channel The channel.
    function openChannel(
        CloneTerms.Terms calldata terms,
        bytes32 salt,
        address participant
    ) external payable virtual returns (address channel) {
        channel = channelAddress(terms, salt);
        if (channel.code.length == 0) {
            _check(terms);
            Clones.cloneDeterministicWithImmutableArgs(IMPLEMENTATION, CloneTerms.pack(terms), salt);
            emit ChannelOpened(
                channel,
                terms.alice,
                terms.bob,
                terms.aliceSigner,
                terms.bobSigner,
                terms.challengePeriod,
                salt
            );
        }
        // The channel is code of our own: it refuses, or it keeps the money. It calls nobody.
        if (msg.value != 0) IPaymentChannel(channel).depositFor{value: msg.value}(participant);
    }

    /// @notice Where the channel of these terms is, or will be.
    /// @param terms What the parties agree on. Not checked here: `openChannel` refuses terms that cannot work.
    /// @param salt Tells channels of the same terms apart.
    /// @return channel Its address.
    function channelAddress(CloneTerms.Terms calldata terms, bytes32 salt) public view returns (address channel) {
        return
            Clones.predictDeterministicAddressWithImmutableArgs(
                IMPLEMENTATION,
                CloneTerms.pack(terms),
                salt,
                address(this)
            );
    }

    /// @dev Refuses terms under which money could be lost. Virtual for the tests that weaken it.
    function _check(CloneTerms.Terms calldata terms) internal pure virtual {
        _checkTwo(terms.alice, terms.bob);
        _checkTwo(terms.aliceSigner, terms.bobSigner);
        uint32 period = terms.challengePeriod;
        if (period < MIN_CHALLENGE_PERIOD || period > MAX_CHALLENGE_PERIOD) {
            revert ChallengePeriodOutOfRange(period, MIN_CHALLENGE_PERIOD, MAX_CHALLENGE_PERIOD);
        }
    }

    /// @dev 0 as a party's address burns its part; as a key it is what a failed recovery gives. Equal keys would let
    /// one side sign for both.
    function _checkTwo(address first, address second) private pure {
        if (first == address(0) || second == address(0) || first == second) revert PartiesNotTwo(first, second);
    }
}
