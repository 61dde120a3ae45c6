// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

/// @title Who signed
/// @notice Recovers first and asks the account's code second, so that an EOA, an EIP-7702 account (an EOA with code)
/// and an ERC-1271 contract are all heard. OpenZeppelin's checker alone would not let a 7702 account sign with its key.
library Signatures {
    function isValid(address account, bytes32 digest, bytes calldata signature) internal view returns (bool) {
        if (account == address(0)) return false;
        // The third value only details a failure.
        // slither-disable-next-line unused-return
        (address recovered, ECDSA.RecoverError failure,) = ECDSA.tryRecoverCalldata(digest, signature);
        if (failure == ECDSA.RecoverError.NoError && recovered == account) return true;
        return account.code.length != 0
            && SignatureChecker.isValidERC1271SignatureNow(account, digest, signature);
    }
}
