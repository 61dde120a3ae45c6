// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {License, RateCard, TermsHead} from "../../contracts/Types.sol";
import {IRoyaltyVault} from "../../contracts/interfaces/IRoyaltyVault.sol";
import {LicenseRegistry} from "../../contracts/licenses/LicenseRegistry.sol";
import {Vm} from "./Vm.sol";

/// @title A vault and the grants behind it, of which none was renewed
contract NothingSold {
    mapping(uint32 licenseId => uint40) public renewedUntil;

    function grants() external view returns (address) {
        return address(this);
    }
}

/// @title A registry whose licence 1 can be put into any state
contract Timeline is LicenseRegistry {
    constructor() LicenseRegistry(IRoyaltyVault(address(new NothingSold())), address(0)) {}

    function begin(uint32 termsId) external {
        _begin(1, termsId, 1, bytes32(uint256(1)));
    }

    function setTerms(uint32 termsId, bytes32 digest, uint8 tiers, uint16 termDays) external {
        termsIdOf[digest] = termsId;
        _heads[termsId] = TermsHead({tiers: tiers, termDays: termDays, flags: 0, influenceCapBps: 0});
    }

    function setHead(uint32 termsId, TermsHead calldata head, uint8 tier, RateCard calldata card, bytes32 text)
        external
    {
        _heads[termsId] = head;
        _rateCards[termsId][tier] = card;
        textDigestOf[termsId] = text;
    }

    function onlyAddsTiers(uint32 earlier, uint32 later) external view returns (bool) {
        return _onlyAddsTiers(earlier, later);
    }

    function setLicense(License calldata license) external {
        _licenses[1] = license;
    }

    function amendTo(bytes32 terms) external {
        _amend(1, terms, bytes32(uint256(2)));
    }

    function end() external {
        _revoke(1);
    }

    function resume() external {
        _reinstate(1);
    }

    function voidNow() external {
        _void(1);
    }
}

/// @title The past of a licence: what was answered of a past moment is answered for ever
contract HistoryTest {
    Vm private constant VM = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

    Timeline private _book;

    function setUp() external {
        _book = new Timeline();
        _book.setTerms(1, "one", 1, 365);
        _book.setTerms(2, "two", 3, 365);
        _book.setTerms(3, "three", 1, 730);
        _book.setTerms(4, "four", 7, 365);
        VM.warp(1000);
        _book.begin(1);
        VM.warp(2000);
        // A tier more, at once: licence 1 has a past version now.
        _book.amendTo("two");
    }

    /// @dev Any state that a licence with an older version may be in at `now_`.
    function _arrange(License memory license, uint40 now_) private {
        VM.assume(now_ < 2 ** 36);
        license.termsId = 2;
        VM.assume(license.from >= 2000 && license.from <= now_);
        VM.assume(license.anchor >= 1000 && license.anchor <= license.from);
        if (license.nextFrom == 0) {
            license.nextTermsId = 0;
        } else {
            license.nextTermsId = 3;
            VM.assume(license.nextFrom > license.from && license.nextFrom < 2 ** 37);
        }
        VM.assume(license.endsAt == 0 || license.endsAt > license.from);
        _book.setLicense(license);
        VM.warp(now_);
    }

    function check_reinstatingLeavesThePast(License memory license, uint40 now_, uint40 time) external {
        _arrange(license, now_);
        VM.assume(time < now_);
        uint32 before = _book.termsAt(1, time);
        _book.resume();
        assert(_book.termsAt(1, time) == before);
    }

    function check_voidingLeavesThePast(License memory license, uint40 now_, uint40 time) external {
        _arrange(license, now_);
        VM.assume(time < now_);
        uint32 before = _book.termsAt(1, time);
        _book.voidNow();
        assert(_book.termsAt(1, time) == before);
        assert(_book.termsAt(1, now_) == 0);
    }

    function check_revokingLeavesThePast(License memory license, uint40 now_, uint40 time) external {
        _arrange(license, now_);
        VM.assume(time < now_);
        uint32 before = _book.termsAt(1, time);
        _book.end();
        assert(_book.termsAt(1, time) == before);
    }

    function check_changingTheDocumentLeavesThePast(License memory license, uint40 now_, uint40 time) external {
        _arrange(license, now_);
        VM.assume(time < now_);
        uint32 before = _book.termsAt(1, time);
        _book.amendTo("two");
        assert(_book.termsAt(1, time) == before);
    }

    function check_addingATierLeavesThePast(License memory license, uint40 now_, uint40 time) external {
        _arrange(license, now_);
        VM.assume(time < now_);
        uint32 before = _book.termsAt(1, time);
        _book.amendTo("four");
        assert(_book.termsAt(1, time) == before);
    }

    function check_amendingLeavesThePast(License memory license, uint40 now_, uint40 time) external {
        _arrange(license, now_);
        VM.assume(time < now_);
        uint32 before = _book.termsAt(1, time);
        _book.amendTo("one");
        assert(_book.termsAt(1, time) == before);
    }

    /// @dev Terms take effect at once only if they add a tier and are otherwise the same: length, flags, limit, text,
    /// and the prices of every tier there was.
    function check_onlyTermsThatAddNothingButTiersCount(
        TermsHead calldata a,
        TermsHead calldata b,
        RateCard calldata cardA,
        RateCard calldata cardB,
        bytes32 textA,
        bytes32 textB
    ) external {
        _book.setHead(11, a, 5, cardA, textA);
        _book.setHead(12, b, 5, cardB, textB);
        bool added = a.tiers | b.tiers == b.tiers && a.tiers != b.tiers;
        bool same = a.termDays == b.termDays && a.flags == b.flags && a.influenceCapBps == b.influenceCapBps
            && textA == textB;
        bool sameCard = keccak256(abi.encode(cardA)) == keccak256(abi.encode(cardB));
        bool priced = a.tiers & 16 != 0;
        assert(_book.onlyAddsTiers(11, 12) == (added && same && (sameCard || !priced)));
    }
}
