// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title Who attests, and how many of them must
/// @notice `n` attesters tolerate `f = (n - 1) / 3` faulty ones; `(n + f) / 2 + 1` of them make a quorum. Sets are
/// versioned and never change once they are in force: a rotation or a removal makes the next version.
interface IAttesters {
    error AttesterCountInvalid(uint256 count);
    error AttestersNotAscending(address account);
    error AttesterUnknown(address account);
    /// @notice Removing one more would leave fewer than a quorum.
    error QuorumWouldBreak(uint256 remaining, uint256 quorum);
    error ConfigVersionStale(uint64 current, uint64 given);
    error AttestationsMalformed(uint256 length);
    error QuorumMissing(uint256 given, uint256 quorum);
    error AttestationInvalid(uint256 index);
    /// @notice Not an attester of this version.
    error SignerUnknown(address signer, uint64 configVersion);
    error SignersNotAscending(address signer);
    error NotGovernor(address account);
    error NotGuardian(address account);
    /// @notice Governor, guardian, arbiter and each attester are different, known accounts.
    error RoleInvalid(address account);

    /// @notice These accounts attest from now on, `quorum` of them each report.
    event AttestersChanged(uint64 indexed configVersion, address[] attesters, uint256 quorum);
    /// @notice This account can pause and remove an attester from now on.
    event GuardianChanged(address indexed guardian);

    /// @notice Sets the attesters, ascending, none of them governor, guardian or arbiter. Reports submitted before keep
    /// the version they came in under.
    function setAttesters(address[] calldata attesters) external;
    /// @notice The guardian removes an attester while a quorum of the governor's set remains; the quorum stays.
    function removeAttester(address attester) external;
    /// @notice Sets the guardian, who is neither governor, arbiter nor attester.
    function setGuardian(address newGuardian) external;

    /// @notice The number of the attester set in force; it counts every change.
    function configVersion() external view returns (uint64);
    /// @notice How many attesters sign each report.
    function quorum() external view returns (uint256);
    /// @notice The attesters of a version, ascending.
    function attestersOf(uint64 version) external view returns (address[] memory);
    /// @notice Whether an account attests under a version.
    function isAttester(uint64 version, address account) external view returns (bool);
    /// @notice Who sets attesters and guardian.
    function governor() external view returns (address);
    /// @notice Who can pause for a while and remove an attester.
    function guardian() external view returns (address);
}
