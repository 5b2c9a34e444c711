//! What is of interest in a message of H.225.0 or H.245.

/// A place that the walk along a message notes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// An IPv4 address of four bytes, and a port behind it.
    Ipv4,
    /// An IPv6 address of sixteen bytes, and a port behind it.
    Ipv6,
    /// A number that was read.
    Number,

    // H.225.0, RAS.
    /// GRQ.
    GatekeeperRequest,
    /// GCF.
    GatekeeperConfirm,
    /// GRJ.
    GatekeeperReject,
    /// RRQ.
    RegistrationRequest,
    /// RCF.
    RegistrationConfirm,
    /// RRJ.
    RegistrationReject,
    /// URQ.
    UnregistrationRequest,
    /// ARQ.
    AdmissionRequest,
    /// ACF.
    AdmissionConfirm,
    /// ARJ.
    AdmissionReject,
    /// LRQ.
    LocationRequest,
    /// LCF.
    LocationConfirm,
    /// LRJ.
    LocationReject,
    /// IRR.
    InfoRequestResponse,
    /// The number of a request, repeated in its answer: two bytes.
    RequestSeqNum,
    /// Where RAS messages are to be sent.
    RasAddress,
    /// Where calls are to be sent.
    CallSignalAddress,
    /// How long a registration lives.
    TimeToLive,

    // H.225.0, call signalling.
    /// Setup.
    Setup,
    /// Call Proceeding.
    CallProceeding,
    /// Connect.
    Connect,
    /// Alerting.
    Alerting,
    /// Facility.
    Facility,
    /// Progress.
    Progress,
    /// Release Complete.
    ReleaseComplete,
    /// Where H.245 is to be spoken.
    H245Address,
    /// Where the call is to go instead.
    AlternativeAddress,
    /// Where the called party takes calls.
    DestinationAddress,
    /// Where the calling party takes calls.
    SourceAddress,
    /// The reason of a Facility is that the call is forwarded.
    CallForwarded,
    /// A message of H.245 within one of H.225.0.
    H245Control,

    // H.245.
    /// OpenLogicalChannel, as a message or in fast start.
    OpenChannel,
    /// OpenLogicalChannelAck.
    OpenChannelAck,
    /// The number of the channel: two bytes.
    ChannelNumber,
    /// Where media are to be sent.
    MediaChannel,
    /// Where what controls them is to be sent.
    MediaControlChannel,
    /// The channel is for T.120 over a connection of its own.
    T120,
    /// Where that connection is to be made.
    SeparateStack,
}
