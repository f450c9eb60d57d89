// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The cheatcodes that our Solidity tests use
/// @author Proofmill
/// @dev Written here since no complete package of them is on npm.
interface Vm {
    function addr(uint256 privateKey) external pure returns (address account);
    function assume(bool condition) external pure;
    function chainId(uint256 newChainId) external;
    function deal(address account, uint256 newBalance) external;
    function expectRevert(bytes calldata revertData) external;
    function getNonce(address account) external view returns (uint64);
    function prank(address msgSender) external;
    function sign(uint256 privateKey, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function roll(uint256 newBlockNumber) external;
    function warp(uint256 newTimestamp) external;
}

Vm constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

/// @dev `value` folded into [minimum, maximum].
function bound(uint256 value, uint256 minimum, uint256 maximum) pure returns (uint256) {
    if (maximum - minimum == type(uint256).max) return value;
    return minimum + (value % (maximum - minimum + 1));
}
