//! Call signalling: what the user-user element of a Q.931 message holds (H.225.0, section 7.2 on).

use super::channels::{CONTROL_MESSAGE, OPEN_CHANNEL};
use super::parts::{
    ALIASES, BOOLEAN, CALL_TYPE, END, ENDPOINT, NON_STANDARD, NULL, OBJECT_IDENTIFIER, OCTETS_16,
    Q_SERIES, TRANSPORT_ADDRESS, TWO_OCTETS,
};
use super::tokens::{CALL_IDENTIFIER, CLEAR_TOKENS, CRYPTO_TOKENS, H245_SECURITY};
use crate::h323::marks::Mark;
use crate::h323::per::{Field, Type, beginning, extensible, is, list, may, open_choice, passed};

/// H323-UserInformation
pub(in crate::h323) static USER_INFORMATION: Type =
    beginning(1, &[is("h323-uu-pdu", &PDU).reads(), END]);

static PDU: Type = extensible(
    &[is("h323-message-body", &BODY).reads(), may("nonStandardData", &NON_STANDARD)],
    &[
        passed("h4501SupplementaryService"),
        passed("h245Tunnelling"),
        is("h245Control", &CONTROL_MESSAGES).reads(),
        END, // nonStandardControl
    ],
);

static CONTROL_ITEM: Field = is("", &CONTROL_MESSAGE).contained().mark(Mark::H245Control);
/// SEQUENCE OF OCTET STRING, of which four are looked at
static CONTROL_MESSAGES: Type = list(&CONTROL_ITEM, 4);

static FAST_START_ITEM: Field = is("", &OPEN_CHANNEL).contained().mark(Mark::OpenChannel);
/// SEQUENCE OF OCTET STRING, of which thirty are looked at
static FAST_START_CHANNELS: Type = list(&FAST_START_ITEM, 30);

const PROTOCOL: Field = is("protocolIdentifier", &OBJECT_IDENTIFIER);
const H245_ADDRESS: Field = may("h245Address", &TRANSPORT_ADDRESS).mark(Mark::H245Address);
const CONFERENCE: Field = is("conferenceID", &OCTETS_16);
const FAST_START: Field = may("fastStart", &FAST_START_CHANNELS).reads();

static BODY: Type = open_choice(
    &[
        is("setup", &SETUP).mark(Mark::Setup),
        is("callProceeding", &CALL_PROCEEDING).mark(Mark::CallProceeding),
        is("connect", &CONNECT).mark(Mark::Connect),
        is("alerting", &ALERTING).mark(Mark::Alerting),
        is("information", &INFORMATION),
        is("releaseComplete", &RELEASE_COMPLETE).chosen(Mark::ReleaseComplete),
        is("facility", &FACILITY).mark(Mark::Facility),
    ],
    &[
        is("progress", &PROGRESS).mark(Mark::Progress),
        passed("empty"),
        passed("status"),
        passed("statusInquiry"),
        passed("setupAcknowledge"),
        passed("notify"),
    ],
);

static EXTRA_VALUE: Field = is("", &TWO_OCTETS);
static EXTRA_VALUES: Type = list(&EXTRA_VALUE, 0);

static CONFERENCE_GOAL: Type = open_choice(
    &[is("create", &NULL), is("join", &NULL), is("invite", &NULL)],
    &[passed("capability-negotiation"), passed("callIndependentSupplementaryService")],
);

static SETUP: Type = extensible(
    &[
        PROTOCOL,
        H245_ADDRESS,
        may("sourceAddress", &ALIASES),
        is("sourceInfo", &ENDPOINT),
        may("destinationAddress", &ALIASES),
        may("destCallSignalAddress", &TRANSPORT_ADDRESS).mark(Mark::DestinationAddress),
        may("destExtraCallInfo", &ALIASES),
        may("destExtraCRV", &EXTRA_VALUES),
        is("activeMC", &BOOLEAN),
        CONFERENCE,
        is("conferenceGoal", &CONFERENCE_GOAL),
        may("callServices", &Q_SERIES),
        is("callType", &CALL_TYPE),
    ],
    &[
        may("sourceCallSignalAddress", &TRANSPORT_ADDRESS).mark(Mark::SourceAddress),
        passed("remoteExtensionAddress"),
        passed("callIdentifier"),
        passed("h245SecurityCapability"),
        passed("tokens"),
        passed("cryptoTokens"),
        FAST_START,
        passed("mediaWaitForConnect"),
        passed("canOverlapSend"),
        END, // endpointIdentifier
    ],
);

static CALL_PROCEEDING: Type = extensible(
    &[PROTOCOL, is("destinationInfo", &ENDPOINT), H245_ADDRESS],
    &[
        passed("callIdentifier"),
        passed("h245SecurityMode"),
        passed("tokens"),
        passed("cryptoTokens"),
        FAST_START,
        passed("multipleCalls"),
        passed("maintainConnection"),
        passed("fastConnectRefused"),
        passed("featureSet"),
    ],
);

static CONNECT: Type = extensible(
    &[PROTOCOL, H245_ADDRESS, is("destinationInfo", &ENDPOINT), CONFERENCE],
    &[
        passed("callIdentifier"),
        passed("h245SecurityMode"),
        passed("tokens"),
        passed("cryptoTokens"),
        FAST_START,
        passed("multipleCalls"),
        passed("maintainConnection"),
        passed("language"),
        passed("connectedAddress"),
        passed("presentationIndicator"),
        passed("screeningIndicator"),
        passed("fastConnectRefused"),
        passed("serviceControl"),
        passed("capacity"),
        passed("featureSet"),
    ],
);

static ALERTING: Type = extensible(
    &[PROTOCOL, is("destinationInfo", &ENDPOINT), H245_ADDRESS],
    &[
        passed("callIdentifier"),
        passed("h245SecurityMode"),
        passed("tokens"),
        passed("cryptoTokens"),
        FAST_START,
        passed("multipleCalls"),
        passed("maintainConnection"),
        passed("alertingAddress"),
        passed("presentationIndicator"),
        passed("screeningIndicator"),
        passed("fastConnectRefused"),
        passed("serviceControl"),
        passed("capacity"),
        passed("featureSet"),
    ],
);

static INFORMATION: Type = extensible(
    &[PROTOCOL],
    &[
        passed("callIdentifier"),
        passed("tokens"),
        passed("cryptoTokens"),
        passed("fastStart"),
        passed("fastConnectRefused"),
        passed("circuitInfo"),
    ],
);

static RELEASE_REASON: Type = open_choice(
    &[
        is("noBandwidth", &NULL),
        is("gatekeeperResources", &NULL),
        is("unreachableDestination", &NULL),
        is("destinationRejection", &NULL),
        is("invalidRevision", &NULL),
        is("noPermission", &NULL),
        is("unreachableGatekeeper", &NULL),
        is("gatewayResources", &NULL),
        is("badFormatAddress", &NULL),
        is("adaptiveBusy", &NULL),
        is("inConf", &NULL),
        is("undefinedReason", &NULL),
    ],
    &[
        passed("facilityCallDeflection"),
        passed("securityDenied"),
        passed("calledPartyNotRegistered"),
        passed("callerNotRegistered"),
        passed("newConnectionNeeded"),
        passed("nonStandardReason"),
        passed("replaceWithConferenceInvite"),
        passed("genericDataReason"),
        passed("neededFeatureNotSupported"),
        passed("tunnelledSignallingRejected"),
    ],
);

static RELEASE_COMPLETE: Type = extensible(
    &[PROTOCOL, may("reason", &RELEASE_REASON)],
    &[
        passed("callIdentifier"),
        passed("tokens"),
        passed("cryptoTokens"),
        passed("busyAddress"),
        passed("presentationIndicator"),
        passed("screeningIndicator"),
        passed("capacity"),
        passed("serviceControl"),
        passed("featureSet"),
    ],
);

static FACILITY_REASON: Type = open_choice(
    &[
        is("routeCallToGatekeeper", &NULL),
        is("callForwarded", &NULL).chosen(Mark::CallForwarded),
        is("routeCallToMC", &NULL),
        is("undefinedReason", &NULL),
    ],
    &[
        passed("conferenceListChoice"),
        passed("startH245"),
        passed("noH245"),
        passed("newTokens"),
        passed("featureSetUpdate"),
        passed("forwardedElements"),
        passed("transportedInformation"),
    ],
);

static FACILITY: Type = extensible(
    &[
        PROTOCOL,
        may("alternativeAddress", &TRANSPORT_ADDRESS).mark(Mark::AlternativeAddress),
        may("alternativeAliasAddress", &ALIASES),
        may("conferenceID", &OCTETS_16),
        is("reason", &FACILITY_REASON).reads(),
    ],
    &[
        passed("callIdentifier"),
        passed("destExtraCallInfo"),
        passed("remoteExtensionAddress"),
        passed("tokens"),
        passed("cryptoTokens"),
        passed("conferences"),
        H245_ADDRESS,
        FAST_START,
        passed("multipleCalls"),
        passed("maintainConnection"),
        passed("fastConnectRefused"),
        passed("serviceControl"),
        passed("circuitInfo"),
        passed("featureSet"),
        passed("destinationInfo"),
        passed("h245SecurityMode"),
    ],
);

static PROGRESS: Type = extensible(
    &[
        PROTOCOL,
        is("destinationInfo", &ENDPOINT),
        H245_ADDRESS,
        is("callIdentifier", &CALL_IDENTIFIER),
        may("h245SecurityMode", &H245_SECURITY),
        may("tokens", &CLEAR_TOKENS),
        may("cryptoTokens", &CRYPTO_TOKENS),
        FAST_START,
    ],
    &[passed("multipleCalls"), passed("maintainConnection"), passed("fastConnectRefused")],
);
