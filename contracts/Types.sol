// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/* Every struct and constant of the protocol; the packed words Row and Credit are in libraries/Rows.sol.
 * The rules they follow are stated in docs/rules.md. */

/* CONSTANTS */

/// @dev The shares of a split sum to this.
uint256 constant PPM = 1_000_000;
/// @dev Quantities are in millionths of one unit at full influence; rates are the price of one whole unit.
uint256 constant QUANTITY_UNIT = 1_000_000;
/// @dev A rate that the meter does not offer.
uint64 constant NOT_OFFERED = type(uint64).max;
/// @dev Rows of one report in the direct lane.
uint256 constant MAX_ROWS = 1000;
/// @dev Payees of one split.
uint256 constant MAX_PAYEES = 64;

uint8 constant TIERS = 6;
uint8 constant METRICS = 3;
uint8 constant ROLES = 9;

uint16 constant GRANT_REQUIRED = 8;
uint16 constant GRANT_APPROVAL = 16;
uint16 constant POOL_FLAG = 32;
uint16 constant MODEL_BOUND = 64;
uint16 constant ALL_FLAGS = 127;

uint8 constant METERED = 1;
uint8 constant POOL = 2;

/// @dev Dearer terms are announced so long before a term ends, or they wait for the end of the next one. From then on
/// the next term is settled, and a grant can be renewed for it.
uint256 constant NOTICE = 30 days;

/// @dev Where burnt bonds go: credited like any other account, so a token that refuses the transfer blocks nobody.
address constant DEAD = 0x000000000000000000000000000000000000dEaD;

/* LICENCES */

/// @dev Prices of one tier, each of one whole unit, in millionths of a dollar. One slot.
struct RateCard {
    uint64 trainingRun;
    uint64 generation;
    uint64 playback;
    uint64 grantFee;
}

/// @dev What a licence offers. `rates` has one card per opted-in tier, in ascending order of tier.
struct Terms {
    uint8 tiers;
    uint16 termDays;
    uint16 flags;
    uint16 influenceCapBps;
    RateCard[] rates;
    bytes32 textDigest;
}

/// @dev The part of interned terms that is not a price. One slot.
struct TermsHead {
    uint8 tiers;
    uint16 termDays;
    uint16 flags;
    uint16 influenceCapBps;
}

/// @dev The hot slot of a licence: the version in force, the one to come, and where the money goes. One slot.
/// `anchor` is where its terms are counted from: it differs from `from` once tiers were added at once.
struct License {
    uint32 termsId;
    uint40 from;
    uint40 anchor;
    uint32 nextTermsId;
    uint40 nextFrom;
    uint40 endsAt;
    uint32 splitId;
}

/// @dev An older version of a licence's terms.
struct Version {
    uint32 termsId;
    uint40 from;
}

/// @dev A split that a licence paid before `until`. One slot.
struct PastSplit {
    uint32 splitId;
    uint40 until;
}

/// @dev One licence of `mintBatch`. All but `owner` are digests.
struct MintItem {
    address owner;
    bytes32 terms;
    bytes32 split;
    bytes32 document;
    bytes32 content;
}

/* SPLITS */

struct Payee {
    address account;
    uint32 share;
    uint8 role;
}

/// @dev What a payee holds of a split. One slot.
struct Position {
    uint32 share;
    uint64 claimed;
    uint8 role;
}

/* SIGNED ACTS */

/// @dev Who signed an act, and how. The act's other fields are the arguments beside it.
struct Signed {
    address account;
    uint256 nonce;
    uint64 deadline;
    bytes signature;
}

/* PLATFORMS */

/// @dev A platform's money outside of reserves. One slot.
/// `obligations` counts unfunded reports and arrears: while it is not 0 the platform neither submits nor withdraws.
struct Escrow {
    uint64 available;
    uint64 thawing;
    uint64 bond;
    uint40 thawEndsAt;
    uint16 obligations;
}

/// @dev `closesAt` is 0 while the platform is open.
struct Platform {
    address admin;
    uint40 closesAt;
}

/* USAGE */

/// @dev The header of a report, as the platform's reporter signs it.
struct UsageReport {
    uint32 platformId;
    bytes32 modelId;
    uint64 sequence;
    uint32 attempt;
    bytes32 previous;
    uint64 periodStart;
    uint64 periodEnd;
    uint8 pricing;
    uint32 rowCount;
    bytes32 rowsDigest;
    uint64 total;
    bytes32 evidence;
    uint64 deadline;
}

enum ReportState {
    NONE,
    UNFUNDED,
    PENDING,
    SETTLED
}

/// @dev What the chain keeps of a report. Two slots. `end` is the end of its challenge window.
struct Report {
    bytes32 creditsDigest;
    ReportState state;
    uint32 platformId;
    uint64 total;
    uint40 end;
    uint16 held;
    uint32 configVersion;
}

/// @dev The reports of one platform for one model, in order. Two slots.
struct Stream {
    bytes32 last;
    uint64 sequence;
    uint40 coveredUntil;
}

/* DISPUTES */

enum ChallengeState {
    NONE,
    OPEN,
    RULED,
    LAPSED
}

/// @dev The public material a challenge is about. `credits` may be empty if the row is absent.
struct Case {
    UsageReport report;
    bytes rows;
    bytes credits;
}

/// @dev What a challenger says of one row. `evidence` is the digest of a public document.
struct RowClaim {
    uint32 licenseId;
    uint8 tier;
    uint8 metric;
    uint64 quantity;
    bytes32 evidence;
}

/// @dev A challenge with the row's price frozen as `numerator / denominator` per millionth of a unit. `disputedSince`
/// is when the first of those that took each other's place was opened.
struct Challenge {
    bytes32 reportId;
    bytes32 rowKey;
    address challenger;
    uint40 openedAt;
    uint32 platformId;
    ChallengeState state;
    uint64 reported;
    uint64 claimed;
    uint64 amount;
    uint64 bond;
    uint128 numerator;
    uint128 denominator;
    uint32 splitId;
    uint40 disputedSince;
}

/// @dev What rulings have made of one row. One slot. `openChallenge` is the open claim of more.
struct RowRecord {
    uint64 quantity;
    uint64 amount;
    uint40 reopenUntil;
    uint32 openChallenge;
    uint32 openReduction;
    bool ruled;
}

/// @dev What a platform still owes from a ruling.
struct Arrears {
    uint32 platformId;
    uint32 splitId;
    uint64 owed;
    uint64 penalty;
    address challenger;
}

/// @dev A bonded claim that a licence is not its licensor's to give.
struct RivalClaim {
    address claimant;
    uint40 openedAt;
    uint32 licenseId;
    ChallengeState state;
    uint64 bond;
}
