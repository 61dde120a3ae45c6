// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {IAttesters} from "../interfaces/IAttesters.sol";
import {IDisputes} from "../interfaces/IDisputes.sol";

/// @title Versioned attester sets, their quorum, and roles that never share a key
abstract contract Attesters is IAttesters {
    uint256 private constant SIGNATURE_BYTES = 65;
    uint256 private constant MAX_ATTESTERS = 64;

    address private immutable GOVERNOR;
    address internal immutable DISPUTES;

    /// @inheritdoc IAttesters
    uint64 public configVersion;
    /// @inheritdoc IAttesters
    address public guardian;
    /// @inheritdoc IAttesters
    uint256 public quorum;
    /// @inheritdoc IAttesters
    mapping(uint64 version => mapping(address account => bool)) public isAttester;

    mapping(uint64 version => address[]) private _attesters;

    modifier onlyGovernor() {
        if (msg.sender != GOVERNOR) revert NotGovernor(msg.sender);
        _;
    }

    /// @param disputes_ the predicted address of the disputes, which name the arbiter; they may not exist yet
    constructor(address governor_, address disputes_, address guardian_, address[] memory attesters) {
        if (governor_ == address(0)) revert RoleInvalid(governor_);
        GOVERNOR = governor_;
        // The deploy script compares it with where the disputes came to be.
        // slither-disable-next-line missing-zero-check
        DISPUTES = disputes_;
        _setGuardian(guardian_);
        _setAttesters(attesters, _quorumOf(attesters.length));
    }

    /* GOVERNANCE */

    /// @inheritdoc IAttesters
    function setAttesters(address[] calldata attesters) external onlyGovernor {
        _setAttesters(attesters, _quorumOf(attesters.length));
    }

    /// @inheritdoc IAttesters
    function removeAttester(address attester) external {
        // Check
        if (msg.sender != guardian) revert NotGuardian(msg.sender);
        if (!isAttester[configVersion][attester]) revert AttesterUnknown(attester);
        address[] memory current = _attesters[configVersion];
        if (current.length - 1 < quorum) revert QuorumWouldBreak(current.length - 1, quorum);
        // Effect: the others in their order, with the quorum as it was.
        address[] memory remaining = new address[](current.length - 1);
        uint256 kept = 0;
        for (uint256 i = 0; i < current.length; ++i) {
            if (current[i] != attester) remaining[kept++] = current[i];
        }
        _setAttesters(remaining, quorum);
    }

    /// @inheritdoc IAttesters
    function setGuardian(address guardian_) external onlyGovernor {
        _setGuardian(guardian_);
    }

    function _setGuardian(address guardian_) private {
        bool taken = guardian_ == GOVERNOR || guardian_ == _arbiter() || isAttester[configVersion][guardian_];
        if (guardian_ == address(0) || taken) revert RoleInvalid(guardian_);
        guardian = guardian_;
        emit GuardianChanged(guardian_);
    }

    function _setAttesters(address[] memory attesters, uint256 quorum_) private {
        if (attesters.length == 0 || attesters.length > MAX_ATTESTERS) revert AttesterCountInvalid(attesters.length);
        uint64 version = ++configVersion;
        quorum = quorum_;
        address guardian_ = guardian;
        address arbiter = _arbiter();
        address last = address(0);
        for (uint256 i = 0; i < attesters.length; ++i) {
            // Refuses the zero address as well: nothing is below it.
            if (attesters[i] <= last) revert AttestersNotAscending(attesters[i]);
            last = attesters[i];
            if (last == GOVERNOR || last == guardian_ || last == arbiter) revert RoleInvalid(last);
            isAttester[version][last] = true;
        }
        _attesters[version] = attesters;
        emit AttestersChanged(version, attesters, quorum_);
    }

    /// @dev Nobody while the disputes are not deployed: they compare their arbiter with the others when they are.
    function _arbiter() private view returns (address) {
        return DISPUTES.code.length == 0 ? address(0) : IDisputes(DISPUTES).arbiter();
    }

    function _quorumOf(uint256 count) private pure returns (uint256) {
        if (count == 0) revert AttesterCountInvalid(count);
        return (count + (count - 1) / 3) / 2 + 1;
    }

    /* VERIFYING */

    /// @dev Refuses unless a quorum of the current set signed `digest`, each attester once.
    function _checkQuorum(bytes32 digest, uint64 version, bytes calldata signatures) internal view {
        if (version != configVersion) revert ConfigVersionStale(configVersion, version);
        if (signatures.length % SIGNATURE_BYTES != 0) revert AttestationsMalformed(signatures.length);
        uint256 count = signatures.length / SIGNATURE_BYTES;
        if (count < quorum) revert QuorumMissing(count, quorum);
        mapping(address account => bool) storage members = isAttester[version];
        address last = address(0);
        for (uint256 i = 0; i < count; ++i) {
            uint256 at = i * SIGNATURE_BYTES;
            // Refuses signatures with a high s and the zero address.
            // The third value only details a failure.
            // slither-disable-next-line unused-return
            (address signer, ECDSA.RecoverError failure,) =
                ECDSA.tryRecoverCalldata(digest, signatures[at:at + SIGNATURE_BYTES]);
            if (failure != ECDSA.RecoverError.NoError) revert AttestationInvalid(i);
            if (signer <= last) revert SignersNotAscending(signer);
            if (!members[signer]) revert SignerUnknown(signer, version);
            last = signer;
        }
    }

    /* READING */

    /// @inheritdoc IAttesters
    function attestersOf(uint64 version) external view returns (address[] memory) {
        return _attesters[version];
    }

    /// @inheritdoc IAttesters
    function governor() public view returns (address) {
        return GOVERNOR;
    }
}
