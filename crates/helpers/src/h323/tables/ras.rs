//! RAS: registration, admission and status (H.225.0, section 7.6 on), messages by short names.

use super::parts::{
    ALIASES, BOOLEAN, CALL_TYPE, END, ENDPOINT, LONG, LONG_FROM_1, NON_STANDARD, NULL,
    OBJECT_IDENTIFIER, TRANSPORT_ADDRESS, TWO_OCTETS, VENDOR, WIDE_1_TO_128,
};
use crate::h323::marks::Mark;
use crate::h323::per::{Field, Type, beginning, extensible, is, list, may, open_choice, passed};

/// RasMessage
pub(in crate::h323) static RAS_MESSAGE: Type = open_choice(
    &[
        is("gatekeeperRequest", &GRQ).mark(Mark::GatekeeperRequest),
        is("gatekeeperConfirm", &GCF).mark(Mark::GatekeeperConfirm),
        is("gatekeeperReject", &GRJ).mark(Mark::GatekeeperReject),
        is("registrationRequest", &RRQ).mark(Mark::RegistrationRequest),
        is("registrationConfirm", &RCF).mark(Mark::RegistrationConfirm),
        is("registrationReject", &GRJ).mark(Mark::RegistrationReject),
        is("unregistrationRequest", &URQ).mark(Mark::UnregistrationRequest),
        END, // unregistrationConfirm
        END, // unregistrationReject
        is("admissionRequest", &ARQ).mark(Mark::AdmissionRequest),
        is("admissionConfirm", &ACF).mark(Mark::AdmissionConfirm),
        is("admissionReject", &LRJ).mark(Mark::AdmissionReject),
        END, // bandwidthRequest
        END, // bandwidthConfirm
        END, // bandwidthReject
        END, // disengageRequest
        END, // disengageConfirm
        END, // disengageReject
        is("locationRequest", &LRQ).mark(Mark::LocationRequest),
        is("locationConfirm", &LCF).mark(Mark::LocationConfirm),
        is("locationReject", &LRJ).mark(Mark::LocationReject),
        END, // infoRequest
        is("infoRequestResponse", &IRR).mark(Mark::InfoRequestResponse),
        END, // nonStandardMessage
        END, // unknownMessageResponse
    ],
    &[],
);

const REQUEST_SEQ_NUM: Field = is("requestSeqNum", &TWO_OCTETS).mark(Mark::RequestSeqNum);
const PROTOCOL: Field = is("protocolIdentifier", &OBJECT_IDENTIFIER);
const NON_STANDARD_DATA: Field = may("nonStandardData", &NON_STANDARD);
const RAS_ADDRESS: Field = is("rasAddress", &TRANSPORT_ADDRESS).mark(Mark::RasAddress);
const TIME_TO_LIVE: Field = is("timeToLive", &LONG_FROM_1).mark(Mark::TimeToLive);

static ADDRESS: Field = is("", &TRANSPORT_ADDRESS).reads();
/// SEQUENCE OF TransportAddress, of which ten are looked at
static ADDRESSES: Type = list(&ADDRESS, 10);

static GRQ: Type = beginning(4, &[REQUEST_SEQ_NUM, PROTOCOL, NON_STANDARD_DATA, RAS_ADDRESS, END]);

static GCF: Type = extensible(
    &[
        REQUEST_SEQ_NUM,
        PROTOCOL,
        NON_STANDARD_DATA,
        may("gatekeeperIdentifier", &WIDE_1_TO_128),
        RAS_ADDRESS,
    ],
    &[END],
);

/// GatekeeperReject and RegistrationReject: with two OPTIONAL fields each
static GRJ: Type = beginning(2, &[REQUEST_SEQ_NUM, END]);

/// AdmissionReject and LocationReject: with one
static LRJ: Type = beginning(1, &[REQUEST_SEQ_NUM, END]);

static RRQ: Type = extensible(
    &[
        REQUEST_SEQ_NUM,
        PROTOCOL,
        NON_STANDARD_DATA,
        is("discoveryComplete", &BOOLEAN),
        is("callSignalAddress", &ADDRESSES).mark(Mark::CallSignalAddress),
        is("rasAddress", &ADDRESSES).mark(Mark::RasAddress),
        is("terminalType", &ENDPOINT),
        may("terminalAlias", &ALIASES),
        may("gatekeeperIdentifier", &WIDE_1_TO_128),
        is("endpointVendor", &VENDOR),
    ],
    &[passed("alternateEndpoints"), TIME_TO_LIVE, END],
);

static RCF: Type = extensible(
    &[
        REQUEST_SEQ_NUM,
        PROTOCOL,
        NON_STANDARD_DATA,
        is("callSignalAddress", &ADDRESSES).mark(Mark::CallSignalAddress),
        may("terminalAlias", &ALIASES),
        may("gatekeeperIdentifier", &WIDE_1_TO_128),
        is("endpointIdentifier", &WIDE_1_TO_128),
    ],
    &[passed("alternateGatekeeper"), TIME_TO_LIVE, END],
);

static URQ: Type = beginning(
    3,
    &[
        REQUEST_SEQ_NUM,
        is("callSignalAddress", &ADDRESSES).mark(Mark::CallSignalAddress),
        END, // endpointAlias
    ],
);

static CALL_MODEL: Type = open_choice(&[is("direct", &NULL), is("gatekeeperRouted", &NULL)], &[]);

static ARQ: Type = beginning(
    7,
    &[
        REQUEST_SEQ_NUM,
        is("callType", &CALL_TYPE),
        may("callModel", &CALL_MODEL),
        is("endpointIdentifier", &WIDE_1_TO_128),
        may("destinationInfo", &ALIASES),
        may("destCallSignalAddress", &TRANSPORT_ADDRESS).mark(Mark::DestinationAddress),
        may("destExtraCallInfo", &ALIASES),
        is("srcInfo", &ALIASES),
        may("srcCallSignalAddress", &TRANSPORT_ADDRESS).mark(Mark::SourceAddress),
        END, // bandWidth
    ],
);

static ACF: Type = beginning(
    2,
    &[
        REQUEST_SEQ_NUM,
        is("bandWidth", &LONG),
        is("callModel", &CALL_MODEL),
        is("destCallSignalAddress", &TRANSPORT_ADDRESS).mark(Mark::CallSignalAddress),
        END, // irrFrequency
    ],
);

static LRQ: Type = extensible(
    &[
        REQUEST_SEQ_NUM,
        may("endpointIdentifier", &WIDE_1_TO_128),
        is("destinationInfo", &ALIASES),
        NON_STANDARD_DATA,
        is("replyAddress", &TRANSPORT_ADDRESS).mark(Mark::RasAddress),
    ],
    &[END],
);

static LCF: Type = beginning(
    1,
    &[
        REQUEST_SEQ_NUM,
        is("callSignalAddress", &TRANSPORT_ADDRESS).mark(Mark::CallSignalAddress),
        is("rasAddress", &TRANSPORT_ADDRESS).mark(Mark::RasAddress),
        END, // nonStandardData
    ],
);

static IRR: Type = beginning(
    3,
    &[
        NON_STANDARD_DATA,
        REQUEST_SEQ_NUM,
        is("endpointType", &ENDPOINT),
        is("endpointIdentifier", &WIDE_1_TO_128),
        RAS_ADDRESS,
        is("callSignalAddress", &ADDRESSES).mark(Mark::CallSignalAddress),
        END, // endpointAlias
    ],
);
