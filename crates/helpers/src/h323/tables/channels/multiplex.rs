//! Parameters of channels that are not RTP's: passed, with their right lengths.

use super::{
    BOOLEAN, H245_NON_STANDARD, LONG, NULL, NUMBER_1_TO_127, NUMBER_OF_4, OCTETS, TWO_OCTETS,
};
use crate::h323::per::{Type, extensible, is, may, open_choice, passed, sequence};

/// H222LogicalChannelParameters
pub(super) static H222: Type = extensible(
    &[
        is("resourceID", &TWO_OCTETS),
        is("subChannelID", &TWO_OCTETS),
        may("pcr-pid", &TWO_OCTETS),
        may("programDescriptors", &OCTETS),
        may("streamDescriptors", &OCTETS),
    ],
    &[],
);

static AL3: Type = sequence(&[is("controlFieldOctets", &NUMBER_OF_4), is("sendBufferSize", &LONG)]);

static ADAPTATION_LAYER: Type = open_choice(
    &[
        is("nonStandard", &H245_NON_STANDARD),
        is("al1Framed", &NULL),
        is("al1NotFramed", &NULL),
        is("al2WithoutSequenceNumbers", &NULL),
        is("al2WithSequenceNumbers", &NULL),
        is("al3", &AL3),
    ],
    &[passed("al1M"), passed("al2M"), passed("al3M")],
);

/// H223LogicalChannelParameters
pub(super) static H223: Type = extensible(
    &[is("adaptationLayerType", &ADAPTATION_LAYER), is("segmentableFlag", &BOOLEAN)],
    &[],
);

static CRC_LENGTH: Type =
    open_choice(&[is("crc8bit", &NULL), is("crc16bit", &NULL), is("crc32bit", &NULL)], &[]);

static HDLC: Type = extensible(
    &[is("crcLength", &CRC_LENGTH), is("n401", &TWO_OCTETS), is("loopbackTestProcedure", &BOOLEAN)],
    &[],
);

static SUSPEND_RESUME: Type = open_choice(
    &[
        is("noSuspendResume", &NULL),
        is("suspendResumewAddress", &NULL),
        is("suspendResumewoAddress", &NULL),
    ],
    &[],
);

static RECOVERY: Type =
    open_choice(&[is("rej", &NULL), is("sREJ", &NULL), is("mSREJ", &NULL)], &[]);

static ERROR_RECOVERY: Type =
    extensible(&[is("windowSize", &NUMBER_1_TO_127), is("recovery", &RECOVERY)], &[]);

static V76_MODE: Type = open_choice(&[is("eRM", &ERROR_RECOVERY), is("uNERM", &NULL)], &[]);

static V75: Type = extensible(&[is("audioHeaderPresent", &BOOLEAN)], &[]);

/// V76LogicalChannelParameters
pub(super) static V76: Type = extensible(
    &[
        is("hdlcParameters", &HDLC),
        is("suspendResume", &SUSPEND_RESUME),
        is("uIH", &BOOLEAN),
        is("mode", &V76_MODE),
        is("v75Parameters", &V75),
    ],
    &[],
);
