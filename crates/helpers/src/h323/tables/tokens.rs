//! Tokens (H.235), which a Progress may carry before what is looked for.

use super::parts::{
    ALIAS, LONG_FROM_1, NON_STANDARD, NULL, OBJECT_IDENTIFIER, OCTETS, OCTETS_16, UNBOUNDED,
    WIDE_1_TO_128,
};
use crate::h323::per::{
    Field, Size, Type, extensible, is, list, may, open_choice, passed, sequence,
};

/// BIT STRING (SIZE(0..2048))
static BITS_0_TO_2048: Type = Type::BitString(Size::TwoOctets(0));
static BITS: Type = Type::BitString(Size::Any);
/// OCTET STRING (SIZE(8))
static OCTETS_8: Type = Type::Octets(Size::Fixed(8));
/// OCTET STRING (SIZE(8..128))
static OCTETS_8_TO_128: Type = Type::Octets(Size::Bits(7, 8));

static SERVICE_MODE: Type =
    open_choice(&[is("nonStandard", &NON_STANDARD), is("none", &NULL), is("default", &NULL)], &[]);

static CAPABILITIES: Type = extensible(
    &[
        may("nonStandard", &NON_STANDARD),
        is("encryption", &SERVICE_MODE),
        is("authenticaton", &SERVICE_MODE),
        is("integrity", &SERVICE_MODE),
    ],
    &[],
);

/// H245Security
pub(super) static H245_SECURITY: Type = open_choice(
    &[
        is("nonStandard", &NON_STANDARD),
        is("noSecurity", &NULL),
        is("tls", &CAPABILITIES),
        is("ipsec", &CAPABILITIES),
    ],
    &[],
);

static DH_SET: Type = extensible(
    &[
        is("halfkey", &BITS_0_TO_2048),
        is("modSize", &BITS_0_TO_2048),
        is("generator", &BITS_0_TO_2048),
    ],
    &[],
);

static CERTIFICATE: Type =
    extensible(&[is("type", &OBJECT_IDENTIFIER), is("certificate", &OCTETS)], &[]);

static H235_NON_STANDARD: Type =
    sequence(&[is("nonStandardIdentifier", &OBJECT_IDENTIFIER), is("data", &OCTETS)]);

static CLEAR_TOKEN: Type = extensible(
    &[
        is("tokenOID", &OBJECT_IDENTIFIER),
        may("timeStamp", &LONG_FROM_1),
        may("password", &WIDE_1_TO_128),
        may("dhkey", &DH_SET),
        may("challenge", &OCTETS_8_TO_128),
        may("random", &UNBOUNDED),
        may("certificate", &CERTIFICATE),
        may("generalID", &WIDE_1_TO_128),
        may("nonStandard", &H235_NON_STANDARD),
    ],
    &[passed("eckasdhkey"), passed("sendersID")],
);
static CLEAR_TOKEN_ITEM: Field = is("", &CLEAR_TOKEN);
/// SEQUENCE OF ClearToken
pub(super) static CLEAR_TOKENS: Type = list(&CLEAR_TOKEN_ITEM, 0);

static PARAMETERS: Type =
    extensible(&[may("ranInt", &UNBOUNDED), may("iv8", &OCTETS_8)], &[passed("iv16")]);

static HASHED: Type = sequence(&[
    is("algorithmOID", &OBJECT_IDENTIFIER),
    is("paramS", &PARAMETERS),
    is("hash", &BITS),
]);

static ENCRYPTED: Type = sequence(&[
    is("algorithmOID", &OBJECT_IDENTIFIER),
    is("paramS", &PARAMETERS),
    is("encryptedData", &OCTETS),
]);

static SIGNED: Type = sequence(&[
    is("toBeSigned", &NULL).contained(),
    is("algorithmOID", &OBJECT_IDENTIFIER),
    is("paramS", &PARAMETERS),
    is("signature", &BITS),
]);

static ENDPOINT_HASH: Type =
    sequence(&[is("alias", &ALIAS), is("timeStamp", &LONG_FROM_1), is("token", &HASHED)]);

static GATEKEEPER_HASH: Type = sequence(&[
    is("gatekeeperId", &WIDE_1_TO_128),
    is("timeStamp", &LONG_FROM_1),
    is("token", &HASHED),
]);

static ENCRYPTED_TOKEN: Type =
    sequence(&[is("tokenOID", &OBJECT_IDENTIFIER), is("token", &ENCRYPTED)]);

static SIGNED_TOKEN: Type = sequence(&[is("tokenOID", &OBJECT_IDENTIFIER), is("token", &SIGNED)]);

static HASHED_TOKEN: Type = sequence(&[
    is("tokenOID", &OBJECT_IDENTIFIER),
    is("hashedVals", &CLEAR_TOKEN),
    is("token", &HASHED),
]);

static NESTED: Type = open_choice(
    &[
        is("cryptoEncryptedToken", &ENCRYPTED_TOKEN),
        is("cryptoSignedToken", &SIGNED_TOKEN),
        is("cryptoHashedToken", &HASHED_TOKEN),
        is("cryptoPwdEncr", &ENCRYPTED),
    ],
    &[],
);

static CRYPTO_TOKEN: Type = open_choice(
    &[
        is("cryptoEPPwdHash", &ENDPOINT_HASH),
        is("cryptoGKPwdHash", &GATEKEEPER_HASH),
        is("cryptoEPPwdEncr", &ENCRYPTED),
        is("cryptoGKPwdEncr", &ENCRYPTED),
        is("cryptoEPCert", &SIGNED),
        is("cryptoGKCert", &SIGNED),
        is("cryptoFastStart", &SIGNED),
        is("nestedcryptoToken", &NESTED),
    ],
    &[],
);
static CRYPTO_TOKEN_ITEM: Field = is("", &CRYPTO_TOKEN);
/// SEQUENCE OF CryptoH323Token
pub(super) static CRYPTO_TOKENS: Type = list(&CRYPTO_TOKEN_ITEM, 0);

static CALL_IDENTIFIER_FIELDS: [Field; 1] = [is("guid", &OCTETS_16)];
/// CallIdentifier
pub(super) static CALL_IDENTIFIER: Type = extensible(&CALL_IDENTIFIER_FIELDS, &[]);
