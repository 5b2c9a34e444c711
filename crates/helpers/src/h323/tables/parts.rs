//! What both protocols, or several messages of H.225.0, are made of.

use crate::h323::marks::Mark;
use crate::h323::per::{
    Field, Integer, Size, Type, choice, end, extensible, is, list, may, open_choice, passed,
    sequence,
};

pub(super) static NULL: Type = Type::Null;
pub(super) static BOOLEAN: Type = Type::Boolean;
pub(super) static OBJECT_IDENTIFIER: Type = Type::ObjectIdentifier;
/// INTEGER (0..255), (1..256)
pub(super) static OCTET: Type = Type::Integer(Integer::Octet);
/// INTEGER (0..65535), (1..65535) and whatever else takes more than a byte and no more than two
pub(super) static TWO_OCTETS: Type = Type::Integer(Integer::TwoOctets);
/// INTEGER (0..4294967295)
pub(super) static LONG: Type = Type::Integer(Integer::Long(0));
/// INTEGER (1..4294967295)
pub(super) static LONG_FROM_1: Type = Type::Integer(Integer::Long(1));
/// INTEGER
pub(super) static UNBOUNDED: Type = Type::Integer(Integer::Unbounded);
/// OCTET STRING (SIZE(2))
pub(super) static OCTETS_2: Type = Type::Octets(Size::Fixed(2));
/// OCTET STRING (SIZE(4))
pub(super) static OCTETS_4: Type = Type::Octets(Size::Fixed(4));
/// OCTET STRING (SIZE(6))
pub(super) static OCTETS_6: Type = Type::Octets(Size::Fixed(6));
/// OCTET STRING (SIZE(16))
pub(super) static OCTETS_16: Type = Type::Octets(Size::Fixed(16));
/// OCTET STRING (SIZE(1..20))
pub(super) static OCTETS_1_TO_20: Type = Type::Octets(Size::Bits(5, 1));
/// OCTET STRING (SIZE(1..256))
pub(super) static OCTETS_1_TO_256: Type = Type::Octets(Size::Octet(1));
/// OCTET STRING
pub(super) static OCTETS: Type = Type::Octets(Size::Any);
/// BMPString (SIZE(1..128))
pub(super) static WIDE_1_TO_128: Type = Type::Wide(Size::Bits(7, 1));
/// BMPString (SIZE(1..256))
static WIDE_1_TO_256: Type = Type::Wide(Size::Octet(1));
/// IA5String (SIZE(1..128)) (FROM ("0123456789#*,"))
pub(super) static DIGITS_1_TO_128: Type = Type::Digits(Size::Bits(7, 1));

static H221_NON_STANDARD: Type = extensible(
    &[
        is("t35CountryCode", &OCTET),
        is("t35Extension", &OCTET),
        is("manufacturerCode", &TWO_OCTETS),
    ],
    &[],
);

static NON_STANDARD_IDENTIFIER: Type = open_choice(
    &[is("object", &OBJECT_IDENTIFIER), is("h221NonStandard", &H221_NON_STANDARD)],
    &[],
);

/// NonStandardParameter of H.225.0
pub(super) static NON_STANDARD: Type =
    sequence(&[is("nonStandardIdentifier", &NON_STANDARD_IDENTIFIER), is("data", &OCTETS)]);

static IP_ADDRESS: Type =
    sequence(&[is("ip", &OCTETS_4).mark(Mark::Ipv4), is("port", &TWO_OCTETS)]);

static IP6_ADDRESS: Type =
    extensible(&[is("ip", &OCTETS_16).mark(Mark::Ipv6), is("port", &TWO_OCTETS)], &[]);

static HOP: Field = is("", &OCTETS_4);
pub(super) static HOPS: Type = list(&HOP, 0);

static SOURCE_ROUTING: Type = open_choice(&[is("strict", &NULL), is("loose", &NULL)], &[]);

static IP_SOURCE_ROUTE: Type = extensible(
    &[
        is("ip", &OCTETS_4),
        is("port", &TWO_OCTETS),
        is("route", &HOPS),
        is("routing", &SOURCE_ROUTING),
    ],
    &[],
);

static IPX_ADDRESS: Type =
    sequence(&[is("node", &OCTETS_6), is("netnum", &OCTETS_4), is("port", &OCTETS_2)]);

/// TransportAddress
pub(super) static TRANSPORT_ADDRESS: Type = open_choice(
    &[
        is("ipAddress", &IP_ADDRESS).reads(),
        is("ipSourceRoute", &IP_SOURCE_ROUTE),
        is("ipxAddress", &IPX_ADDRESS),
        is("ip6Address", &IP6_ADDRESS).reads(),
        is("netBios", &OCTETS_16),
        is("nsap", &OCTETS_1_TO_20),
        is("nonStandardAddress", &NON_STANDARD),
    ],
    &[],
);

/// AliasAddress
pub(super) static ALIAS: Type = open_choice(
    &[is("dialedDigits", &DIGITS_1_TO_128), is("h323-ID", &WIDE_1_TO_256)],
    &[
        passed("url-ID"),
        passed("transportID"),
        passed("email-ID"),
        passed("partyNumber"),
        passed("mobileUIM"),
    ],
);
static ALIAS_ITEM: Field = is("", &ALIAS);
/// SEQUENCE OF AliasAddress
pub(super) static ALIASES: Type = list(&ALIAS_ITEM, 0);

/// VendorIdentifier
pub(super) static VENDOR: Type = extensible(
    &[
        is("vendor", &H221_NON_STANDARD),
        may("productId", &OCTETS_1_TO_256),
        may("versionId", &OCTETS_1_TO_256),
    ],
    &[],
);

/// GatekeeperInfo and TerminalInfo
static PLAIN_INFO: Type = extensible(&[may("nonStandardData", &NON_STANDARD)], &[]);

static MCU_INFO: Type = extensible(&[may("nonStandardData", &NON_STANDARD)], &[passed("protocol")]);

/// H310Caps to T120OnlyCaps: all alike
static CAPABILITIES: Type = extensible(
    &[may("nonStandardData", &NON_STANDARD)],
    &[passed("dataRatesSupported"), passed("supportedPrefixes")],
);

static SUPPORTED_PROTOCOL: Type = open_choice(
    &[
        is("nonStandardData", &NON_STANDARD),
        is("h310", &CAPABILITIES),
        is("h320", &CAPABILITIES),
        is("h321", &CAPABILITIES),
        is("h322", &CAPABILITIES),
        is("h323", &CAPABILITIES),
        is("h324", &CAPABILITIES),
        is("voice", &CAPABILITIES),
        is("t120-only", &CAPABILITIES),
    ],
    &[passed("nonStandardProtocol"), passed("t38FaxAnnexbOnly")],
);
static SUPPORTED_PROTOCOL_ITEM: Field = is("", &SUPPORTED_PROTOCOL);
static SUPPORTED_PROTOCOLS: Type = list(&SUPPORTED_PROTOCOL_ITEM, 0);

static GATEWAY_INFO: Type = extensible(
    &[may("protocol", &SUPPORTED_PROTOCOLS), may("nonStandardData", &NON_STANDARD)],
    &[],
);

/// EndpointType
pub(super) static ENDPOINT: Type = extensible(
    &[
        may("nonStandardData", &NON_STANDARD),
        may("vendor", &VENDOR),
        may("gatekeeper", &PLAIN_INFO),
        may("gateway", &GATEWAY_INFO),
        may("mcu", &MCU_INFO),
        may("terminal", &PLAIN_INFO),
        is("mc", &BOOLEAN),
        is("undefinedNode", &BOOLEAN),
    ],
    &[passed("set"), passed("supportedTunnelledProtocols")],
);

static Q954_DETAILS: Type =
    extensible(&[is("conferenceCalling", &BOOLEAN), is("threePartyService", &BOOLEAN)], &[]);

/// QseriesOptions
pub(super) static Q_SERIES: Type = extensible(
    &[
        is("q932Full", &BOOLEAN),
        is("q951Full", &BOOLEAN),
        is("q952Full", &BOOLEAN),
        is("q953Full", &BOOLEAN),
        is("q955Full", &BOOLEAN),
        is("q956Full", &BOOLEAN),
        is("q957Full", &BOOLEAN),
        is("q954Info", &Q954_DETAILS),
    ],
    &[],
);

/// CallType
pub(super) static CALL_TYPE: Type = open_choice(
    &[is("pointToPoint", &NULL), is("oneToN", &NULL), is("nToOne", &NULL), is("nToN", &NULL)],
    &[],
);

static H245_H221_NON_STANDARD: Type = sequence(&[
    is("t35CountryCode", &OCTET),
    is("t35Extension", &OCTET),
    is("manufacturerCode", &TWO_OCTETS),
]);

static H245_NON_STANDARD_IDENTIFIER: Type =
    choice(&[is("object", &OBJECT_IDENTIFIER), is("h221NonStandard", &H245_H221_NON_STANDARD)]);

/// NonStandardParameter of H.245
pub(super) static H245_NON_STANDARD: Type =
    sequence(&[is("nonStandardIdentifier", &H245_NON_STANDARD_IDENTIFIER), is("data", &OCTETS)]);

/// Where reading ends.
pub(super) const END: Field = end("");
