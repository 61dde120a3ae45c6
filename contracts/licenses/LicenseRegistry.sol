// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MintItem, Payee, Signed, Terms} from "../Types.sol";
import {IGrants} from "../interfaces/IGrants.sol";
import {ILicenseRegistry} from "../interfaces/ILicenseRegistry.sol";
import {IRoyaltyVault} from "../interfaces/IRoyaltyVault.sol";
import {Cid} from "../libraries/Cid.sol";
import {Messages} from "../libraries/Messages.sol";
import {SignedActs} from "../libraries/SignedActs.sol";
import {LicenseHistory} from "./LicenseHistory.sol";
import {RowPricing} from "./RowPricing.sol";

/// @title Licences of recordings for AI use
contract LicenseRegistry is ERC721, RowPricing, SignedActs {
    /// @dev Who moves which licence from which split to which.
    struct SplitChange {
        uint32 licenseId;
        bytes32 document;
        bytes32 fromSplit;
        bytes32 toSplit;
        address actor;
    }

    bytes4 private constant ERC4906_ID = 0x49064906;
    bytes4 private constant ERC5267_ID = 0x84b0196e;

    IRoyaltyVault private immutable VAULT;
    /// @dev The vault's, a predicted address when this is deployed: nothing is called there before it is there.
    IGrants private immutable GRANTS;
    address private immutable DISPUTES;

    /// @inheritdoc ILicenseRegistry
    uint32 public licenseCount;

    /// @param disputes_ the predicted address of the disputes, which alone may void; the deploy script checks it
    constructor(IRoyaltyVault vault_, address disputes_)
        ERC721("Obbligato Licence", "OBBLIGATO")
        EIP712("Obbligato LicenseRegistry", "1")
    {
        VAULT = vault_;
        GRANTS = IGrants(vault_.grants());
        // The deploy script compares it with where the disputes came to be.
        // slither-disable-next-line missing-zero-check
        DISPUTES = disputes_;
    }

    /* MINTING */

    /// @inheritdoc ILicenseRegistry
    function mint(address owner, bytes32 terms, bytes32 split, bytes32 document, bytes32 content)
        external
        returns (uint32 licenseId)
    {
        _checkMinter(owner);
        return _mintOne(owner, terms, split, document, content);
    }

    /// @inheritdoc ILicenseRegistry
    function mintWith(
        address owner,
        Terms calldata terms,
        Payee[] calldata payees,
        bytes32 document,
        bytes32 content
    ) external returns (uint32 licenseId) {
        _checkMinter(owner);
        uint32 termsId = internTerms(terms);
        uint32 splitId = VAULT.internSplit(payees);
        return _store(owner, termsId, splitId, document, content);
    }

    /// @inheritdoc ILicenseRegistry
    function mintBatch(MintItem[] calldata items) external returns (uint32 firstLicenseId) {
        firstLicenseId = licenseCount + 1;
        for (uint256 i = 0; i < items.length; ++i) {
            MintItem calldata item = items[i];
            _checkMinter(item.owner);
            _mintOne(item.owner, item.terms, item.split, item.document, item.content);
        }
    }

    /// @inheritdoc ILicenseRegistry
    function mintBySignature(bytes32 terms, bytes32 split, bytes32 document, bytes32 content, Signed calldata by)
        external
        returns (uint32 licenseId)
    {
        _useSignature(
            keccak256(
                abi.encode(Messages.MINT, by.account, terms, split, document, content, by.nonce, by.deadline)
            ),
            by
        );
        return _mintOne(by.account, terms, split, document, content);
    }

    function _mintOne(address owner, bytes32 terms, bytes32 split, bytes32 document, bytes32 content)
        private
        returns (uint32)
    {
        uint32 termsId = termsIdOf[terms];
        if (termsId == 0) revert UnknownTerms(terms);
        uint32 splitId = VAULT.splitIdOf(split);
        if (splitId == 0) revert UnknownSplitDigest(split);
        return _store(owner, termsId, splitId, document, content);
    }

    function _store(address owner, uint32 termsId, uint32 splitId, bytes32 document, bytes32 content)
        private
        returns (uint32 licenseId)
    {
        // Check
        if (document == 0) revert DigestMissing("document");
        if (content == 0) revert DigestMissing("content");
        // Effect. No callback to the owner: whoever mints is the owner or acts for it, so it knows of the token.
        licenseId = ++licenseCount;
        _begin(licenseId, termsId, splitId, document);
        _mint(owner, licenseId);
        emit LicenseMinted(licenseId, owner, content, termsId, splitId, document);
    }

    function _checkMinter(address owner) private view {
        if (msg.sender != owner && !isApprovedForAll(owner, msg.sender)) revert NotMinterFor(owner, msg.sender);
    }

    /* TERMS */

    /// @inheritdoc ILicenseRegistry
    function amend(uint32 licenseId, bytes32 terms, bytes32 document) external {
        _checkLicensor(licenseId, msg.sender);
        _amend(licenseId, terms, document);
    }

    /// @inheritdoc ILicenseRegistry
    function amendBySignature(
        uint32 licenseId,
        bytes32 currentDocument,
        bytes32 terms,
        bytes32 document,
        Signed calldata by
    ) external {
        _useSignature(
            keccak256(
                abi.encode(
                    Messages.AMEND,
                    by.account,
                    licenseId,
                    currentDocument,
                    terms,
                    document,
                    by.nonce,
                    by.deadline
                )
            ),
            by
        );
        _checkBound(licenseId, currentDocument, by.account);
        _amend(licenseId, terms, document);
    }

    /// @inheritdoc ILicenseRegistry
    function revoke(uint32 licenseId) external {
        _checkLicensor(licenseId, msg.sender);
        _revoke(licenseId);
    }

    /// @inheritdoc ILicenseRegistry
    function revokeBySignature(uint32 licenseId, bytes32 currentDocument, Signed calldata by) external {
        _useLicenseSignature(Messages.REVOKE, licenseId, currentDocument, by);
        _revoke(licenseId);
    }

    /// @inheritdoc LicenseHistory
    function _soldUntil(uint32 licenseId) internal view override returns (uint40) {
        return GRANTS.renewedUntil(licenseId);
    }

    /// @inheritdoc ILicenseRegistry
    function reinstate(uint32 licenseId) external {
        _checkLicensor(licenseId, msg.sender);
        _reinstate(licenseId);
    }

    /// @inheritdoc ILicenseRegistry
    function reinstateBySignature(uint32 licenseId, bytes32 currentDocument, Signed calldata by) external {
        _useLicenseSignature(Messages.REINSTATE, licenseId, currentDocument, by);
        _reinstate(licenseId);
    }

    /// @inheritdoc ILicenseRegistry
    function voidLicense(uint32 licenseId) external {
        if (msg.sender != DISPUTES) revert NotDisputes(msg.sender);
        _checkKnown(licenseId);
        _void(licenseId);
    }

    /* SPLIT */

    /// @inheritdoc ILicenseRegistry
    function changeSplit(
        uint32 licenseId,
        Payee[] calldata fromPayees,
        Payee[] calldata toPayees,
        Signed[] calldata acceptances
    ) external {
        _checkLicensor(licenseId, msg.sender);
        _changeSplit(licenseId, fromPayees, toPayees, acceptances, msg.sender);
    }

    /// @inheritdoc ILicenseRegistry
    function changeSplitBySignature(
        uint32 licenseId,
        bytes32 currentDocument,
        Payee[] calldata fromPayees,
        Payee[] calldata toPayees,
        Signed[] calldata acceptances,
        Signed calldata by
    ) external {
        SplitChange memory change = SplitChange({
            licenseId: licenseId,
            document: currentDocument,
            fromSplit: Messages.split(fromPayees),
            toSplit: Messages.split(toPayees),
            actor: by.account
        });
        _useSplitSignature(Messages.CHANGE_SPLIT, change, by);
        _checkBound(licenseId, currentDocument, by.account);
        _changeSplit(licenseId, fromPayees, toPayees, acceptances, by.account);
    }

    // The vault of this deployment calls nobody while it interns.
    // slither-disable-next-line reentrancy-no-eth,reentrancy-benign,reentrancy-events
    function _changeSplit(
        uint32 licenseId,
        Payee[] calldata fromPayees,
        Payee[] calldata toPayees,
        Signed[] calldata acceptances,
        address actor
    ) private {
        // Check: the payees that were given are the licence's, the new ones make a split, and whoever loses agreed.
        SplitChange memory change = SplitChange({
            licenseId: licenseId,
            document: documentOf(licenseId),
            fromSplit: Messages.split(fromPayees),
            toSplit: Messages.split(toPayees),
            actor: actor
        });
        uint32 current = _licenses[licenseId].splitId;
        uint32 given = VAULT.splitIdOf(change.fromSplit);
        if (given != current) revert SplitMismatch(licenseId, current, given);
        uint32 toSplitId = VAULT.internSplit(toPayees);
        _checkLosers(change, fromPayees, toPayees, acceptances);

        // Effect: from now on; what was submitted keeps the split it was priced with.
        _moveTo(licenseId, toSplitId);
        emit SplitChanged(licenseId, current, toSplitId);
    }

    /// @dev Whoever loses has signed, or acts. Both lists of payees ascend, so one pass pairs them.
    function _checkLosers(
        SplitChange memory change,
        Payee[] calldata fromPayees,
        Payee[] calldata toPayees,
        Signed[] calldata acceptances
    ) private {
        uint256 used = 0;
        uint256 j = 0;
        for (uint256 i = 0; i < fromPayees.length; ++i) {
            Payee calldata payee = fromPayees[i];
            while (j < toPayees.length && toPayees[j].account < payee.account) ++j;
            bool stays = j < toPayees.length && toPayees[j].account == payee.account;
            if (payee.account == change.actor || (stays && toPayees[j].share >= payee.share)) continue;
            if (used == acceptances.length || acceptances[used].account != payee.account) {
                revert PayeeConsentMissing(change.licenseId, payee.account);
            }
            _useSplitSignature(Messages.ACCEPT_SPLIT, change, acceptances[used]);
            ++used;
        }
    }

    /* OPERATORS */

    /// @inheritdoc ILicenseRegistry
    function approveOperatorBySignature(address operator, bool approved, Signed calldata by) external {
        _useSignature(
            keccak256(
                abi.encode(Messages.APPROVE_OPERATOR, by.account, operator, approved, by.nonce, by.deadline)
            ),
            by
        );
        _setApprovalForAll(by.account, operator, approved);
    }

    /* DOORS */

    function _useLicenseSignature(bytes32 kind, uint32 licenseId, bytes32 currentDocument, Signed calldata by)
        private
    {
        _useSignature(
            keccak256(abi.encode(kind, by.account, licenseId, currentDocument, by.nonce, by.deadline)), by
        );
        _checkBound(licenseId, currentDocument, by.account);
    }

    function _useSplitSignature(bytes32 kind, SplitChange memory change, Signed calldata by) private {
        _useSignature(
            keccak256(
                abi.encode(
                    kind,
                    by.account,
                    change.licenseId,
                    change.document,
                    change.fromSplit,
                    change.toSplit,
                    by.nonce,
                    by.deadline
                )
            ),
            by
        );
    }

    /// @dev A signature speaks of the licence whose document it names, whatever id a reorg gave it.
    function _checkBound(uint32 licenseId, bytes32 signedDocument, address account) private view {
        _checkLicensor(licenseId, account);
        bytes32 current = documentOf(licenseId);
        if (current != signedDocument) revert DocumentMismatch(licenseId, current, signedDocument);
    }

    function _checkLicensor(uint32 licenseId, address account) private view {
        _checkKnown(licenseId);
        if (!isLicensor(licenseId, account)) revert NotLicensor(licenseId, account);
    }

    function _checkKnown(uint32 licenseId) private view {
        if (_licenses[licenseId].from == 0) revert UnknownLicense(licenseId);
    }

    /* READING */

    /// @inheritdoc ILicenseRegistry
    function isLicensor(uint32 licenseId, address account) public view returns (bool) {
        address owner = _ownerOf(licenseId);
        return owner != address(0) && (account == owner || isApprovedForAll(owner, account));
    }

    /// @inheritdoc ILicenseRegistry
    function vault() external view returns (IRoyaltyVault) {
        return VAULT;
    }

    /// @inheritdoc ILicenseRegistry
    function disputes() external view returns (address) {
        return DISPUTES;
    }

    /// @notice The licence's document as `ipfs://` and the CID computed from its digest.
    function tokenURI(uint256 tokenId) public view override returns (string memory) {
        _requireOwned(tokenId);
        // Safe: only uint32 ids are ever minted.
        return string.concat("ipfs://", Cid.ofDigest(documentOf(uint32(tokenId))));
    }

    /// @inheritdoc ERC721
    function supportsInterface(bytes4 interfaceId) public view override returns (bool) {
        return interfaceId == ERC4906_ID || interfaceId == ERC5267_ID || super.supportsInterface(interfaceId);
    }
}
