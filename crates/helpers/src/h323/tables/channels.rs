//! H.245: logical channels (H.245, sections 7.3, 8.1 and 8.3).

mod data;
mod multiplex;

use super::parts::{
    BOOLEAN, DIGITS_1_TO_128, END, H245_NON_STANDARD, HOPS, LONG, LONG_FROM_1, NULL, OCTET, OCTETS,
    OCTETS_1_TO_20, OCTETS_2, OCTETS_4, OCTETS_6, OCTETS_16, TWO_OCTETS,
};
use crate::h323::marks::Mark;
use crate::h323::per::{
    Field, Integer, Size, Type, beginning, choice, extensible, is, list, may, open_choice, passed,
};
use data::DATA_TYPE;
use multiplex::{H222, H223, V76};

/// MultimediaSystemControlMessage
pub(in crate::h323) static CONTROL_MESSAGE: Type = open_choice(
    &[
        is("request", &REQUEST).reads(),
        is("response", &RESPONSE).reads(),
        END, // command
        END, // indication
    ],
    &[],
);

static REQUEST: Type = open_choice(
    &[
        END, // nonStandard
        END, // masterSlaveDetermination
        END, // terminalCapabilitySet
        is("openLogicalChannel", &OPEN_CHANNEL).mark(Mark::OpenChannel),
        END, // closeLogicalChannel
        END, // requestChannelClose
        END, // multiplexEntrySend
        END, // requestMultiplexEntry
        END, // requestMode
        END, // roundTripDelayRequest
        END, // maintenanceLoopRequest
    ],
    &[
        END, // communicationModeRequest
        END, // conferenceRequest
        END, // multilinkRequest
        END, // logicalChannelRateRequest
    ],
);

static RESPONSE: Type = open_choice(
    &[
        END, // nonStandard
        END, // masterSlaveDeterminationAck
        END, // masterSlaveDeterminationReject
        END, // terminalCapabilitySetAck
        END, // terminalCapabilitySetReject
        is("openLogicalChannelAck", &OPEN_CHANNEL_ACK).mark(Mark::OpenChannelAck),
        END, // openLogicalChannelReject
        END, // closeLogicalChannelAck
        END, // requestChannelCloseAck
        END, // requestChannelCloseReject
        END, // multiplexEntrySendAck
        END, // multiplexEntrySendReject
        END, // requestMultiplexEntryAck
        END, // requestMultiplexEntryReject
        END, // requestModeAck
        END, // requestModeReject
        END, // roundTripDelayResponse
        END, // maintenanceLoopAck
        END, // maintenanceLoopReject
    ],
    &[
        END, // communicationModeResponse
        END, // conferenceResponse
        END, // multilinkResponse
        END, // logicalChannelRateAcknowledge
        END, // logicalChannelRateReject
    ],
);

const CHANNEL_NUMBER: Field =
    is("forwardLogicalChannelNumber", &TWO_OCTETS).mark(Mark::ChannelNumber);

/// OpenLogicalChannel
pub(super) static OPEN_CHANNEL: Type = extensible(
    &[
        CHANNEL_NUMBER,
        is("forwardLogicalChannelParameters", &FORWARD).reads(),
        may("reverseLogicalChannelParameters", &REVERSE).reads(),
    ],
    &[
        may("separateStack", &NETWORK_ACCESS).mark(Mark::SeparateStack),
        END, // encryptionSync
    ],
);

static FORWARD: Type = extensible(
    &[
        may("portNumber", &TWO_OCTETS),
        is("dataType", &DATA_TYPE).reads(),
        is("multiplexParameters", &FORWARD_MULTIPLEX).reads(),
    ],
    &[passed("forwardLogicalChannelDependency"), passed("replacementFor")],
);

static FORWARD_MULTIPLEX: Type = open_choice(
    &[
        is("h222LogicalChannelParameters", &H222),
        is("h223LogicalChannelParameters", &H223),
        is("v76LogicalChannelParameters", &V76),
    ],
    &[is("h2250LogicalChannelParameters", &H2250).reads(), passed("none")],
);

static REVERSE: Type = extensible(
    &[is("dataType", &DATA_TYPE), may("multiplexParameters", &REVERSE_MULTIPLEX).reads()],
    &[passed("reverseLogicalChannelDependency"), passed("replacementFor")],
);

static REVERSE_MULTIPLEX: Type = open_choice(
    &[is("h223LogicalChannelParameters", &H223), is("v76LogicalChannelParameters", &V76)],
    &[is("h2250LogicalChannelParameters", &H2250).reads()],
);

/// OpenLogicalChannelAck
static OPEN_CHANNEL_ACK: Type = extensible(
    &[CHANNEL_NUMBER, may("reverseLogicalChannelParameters", &ACK_REVERSE).reads()],
    &[
        may("separateStack", &NETWORK_ACCESS).mark(Mark::SeparateStack),
        may("forwardMultiplexAckParameters", &ACK_FORWARD).reads(),
        END, // encryptionSync
    ],
);

static ACK_REVERSE: Type = extensible(
    &[
        is("reverseLogicalChannelNumber", &TWO_OCTETS),
        may("portNumber", &TWO_OCTETS),
        may("multiplexParameters", &ACK_REVERSE_MULTIPLEX).reads(),
    ],
    &[passed("replacementFor")],
);

static ACK_REVERSE_MULTIPLEX: Type = open_choice(
    &[is("h222LogicalChannelParameters", &H222)],
    &[is("h2250LogicalChannelParameters", &H2250).reads()],
);

static ACK_FORWARD: Type =
    open_choice(&[is("h2250LogicalChannelAckParameters", &H2250_ACK).reads()], &[]);

static NON_STANDARD_ITEM: Field = is("", &H245_NON_STANDARD);
static NON_STANDARDS: Type = list(&NON_STANDARD_ITEM, 0);

/// INTEGER (1..255)
static NUMBER_1_TO_255: Type = Type::Integer(Integer::Bits(8));
/// INTEGER (96..127), (1..32)
static NUMBER_OF_32: Type = Type::Integer(Integer::Bits(5));
/// INTEGER (0..15)
static NUMBER_OF_16: Type = Type::Integer(Integer::Bits(4));
/// INTEGER (1..4), (0..2)
static NUMBER_OF_4: Type = Type::Integer(Integer::Bits(2));
/// INTEGER (1..127)
static NUMBER_1_TO_127: Type = Type::Integer(Integer::Bits(7));

const MEDIA_CHANNEL: Field = may("mediaChannel", &ADDRESS).mark(Mark::MediaChannel);
const MEDIA_CONTROL_CHANNEL: Field =
    may("mediaControlChannel", &ADDRESS).mark(Mark::MediaControlChannel);

/// H2250LogicalChannelParameters
static H2250: Type = beginning(
    10,
    &[
        may("nonStandard", &NON_STANDARDS),
        is("sessionID", &OCTET),
        may("associatedSessionID", &NUMBER_1_TO_255),
        MEDIA_CHANNEL,
        may("mediaGuaranteedDelivery", &BOOLEAN),
        MEDIA_CONTROL_CHANNEL,
        END, // mediaControlGuaranteedDelivery
    ],
);

/// H2250LogicalChannelAckParameters
static H2250_ACK: Type = extensible(
    &[
        may("nonStandard", &NON_STANDARDS),
        may("sessionID", &NUMBER_1_TO_255),
        MEDIA_CHANNEL,
        MEDIA_CONTROL_CHANNEL,
        may("dynamicRTPPayloadType", &NUMBER_OF_32),
    ],
    &[passed("flowControlToZero"), passed("portNumber")],
);

static UNICAST_IP: Type = extensible(
    &[is("network", &OCTETS_4).mark(Mark::Ipv4), is("tsapIdentifier", &TWO_OCTETS)],
    &[],
);
static UNICAST_IP6: Type = extensible(
    &[is("network", &OCTETS_16).mark(Mark::Ipv6), is("tsapIdentifier", &TWO_OCTETS)],
    &[],
);
static UNICAST_IPX: Type = extensible(
    &[is("node", &OCTETS_6), is("netnum", &OCTETS_4), is("tsapIdentifier", &OCTETS_2)],
    &[],
);
static ROUTING: Type = choice(&[is("strict", &NULL), is("loose", &NULL)]);
static UNICAST_SOURCE_ROUTE: Type = extensible(
    &[
        is("routing", &ROUTING),
        is("network", &OCTETS_4),
        is("tsapIdentifier", &TWO_OCTETS),
        is("route", &HOPS),
    ],
    &[],
);

static UNICAST: Type = open_choice(
    &[
        is("iPAddress", &UNICAST_IP).reads(),
        is("iPXAddress", &UNICAST_IPX),
        is("iP6Address", &UNICAST_IP6).reads(),
        is("netBios", &OCTETS_16),
        is("iPSourceRouteAddress", &UNICAST_SOURCE_ROUTE),
    ],
    &[passed("nsap"), passed("nonStandardAddress")],
);

static MULTICAST_IP: Type =
    extensible(&[is("network", &OCTETS_4), is("tsapIdentifier", &TWO_OCTETS)], &[]);
static MULTICAST_IP6: Type =
    extensible(&[is("network", &OCTETS_16), is("tsapIdentifier", &TWO_OCTETS)], &[]);
static MULTICAST: Type = open_choice(
    &[is("iPAddress", &MULTICAST_IP), is("iP6Address", &MULTICAST_IP6)],
    &[passed("nsap"), passed("nonStandardAddress")],
);

/// TransportAddress of H.245
static ADDRESS: Type =
    open_choice(&[is("unicastAddress", &UNICAST).reads(), is("multicastAddress", &MULTICAST)], &[]);

static DISTRIBUTION: Type = open_choice(&[is("unicast", &NULL), is("multicast", &NULL)], &[]);

/// NumericString (SIZE(1..16))
static DIGITS_1_TO_16: Type = Type::Digits(Size::Bits(4, 1));
static Q2931_NUMBER: Type = open_choice(
    &[is("internationalNumber", &DIGITS_1_TO_16), is("nsapAddress", &OCTETS_1_TO_20)],
    &[],
);
static Q2931_ADDRESS: Type =
    extensible(&[is("address", &Q2931_NUMBER), may("subaddress", &OCTETS_1_TO_20)], &[]);

static NETWORK_ADDRESS: Type = open_choice(
    &[
        is("q2931Address", &Q2931_ADDRESS),
        is("e164Address", &DIGITS_1_TO_128),
        is("localAreaAddress", &ADDRESS).reads(),
    ],
    &[],
);

/// OCTET STRING (SIZE(1..255))
static OCTETS_1_TO_255: Type = Type::Octets(Size::Bits(8, 1));

static NETWORK_ACCESS: Type = extensible(
    &[
        may("distribution", &DISTRIBUTION),
        is("networkAddress", &NETWORK_ADDRESS).reads(),
        is("associateConference", &BOOLEAN),
        may("externalReference", &OCTETS_1_TO_255),
    ],
    &[passed("t120SetupProcedure")],
);
