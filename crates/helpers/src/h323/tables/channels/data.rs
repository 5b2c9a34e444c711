//! What a channel carries: video, audio, data (H.245, sections 8.1.x and 7.2). Only whether it is
//! T.120 over a connection of its own is of interest.

use super::{
    BOOLEAN, H245_NON_STANDARD, LONG, LONG_FROM_1, NULL, NUMBER_OF_4, NUMBER_OF_16, NUMBER_OF_32,
    OCTET, OCTETS, TWO_OCTETS,
};
use crate::h323::marks::Mark;
use crate::h323::per::{Field, Type, choice, extensible, is, may, open_choice, passed, sequence};

/// DataType
pub(super) static DATA_TYPE: Type = open_choice(
    &[
        is("nonStandard", &H245_NON_STANDARD),
        is("nullData", &NULL),
        is("videoData", &VIDEO),
        is("audioData", &AUDIO),
        is("data", &DATA).reads(),
        is("encryptionData", &ENCRYPTION_MODE),
    ],
    &[passed("h235Control"), passed("h235Media"), passed("multiplexedStream")],
);

const YES_OR_NO: Field = is("", &BOOLEAN);

static H261: Type = extensible(
    &[
        may("qcifMPI", &NUMBER_OF_4),
        may("cifMPI", &NUMBER_OF_4),
        is("temporalSpatialTradeOffCapability", &BOOLEAN),
        is("maxBitRate", &TWO_OCTETS),
        is("stillImageTransmission", &BOOLEAN),
    ],
    &[passed("videoBadMBsCap")],
);

static H262: Type = extensible(
    &[
        YES_OR_NO, // profileAndLevel-SPatML
        YES_OR_NO, // profileAndLevel-MPatLL
        YES_OR_NO, // profileAndLevel-MPatML
        YES_OR_NO, // profileAndLevel-MPatH-14
        YES_OR_NO, // profileAndLevel-MPatHL
        YES_OR_NO, // profileAndLevel-SNRatLL
        YES_OR_NO, // profileAndLevel-SNRatML
        YES_OR_NO, // profileAndLevel-SpatialatH-14
        YES_OR_NO, // profileAndLevel-HPatML
        YES_OR_NO, // profileAndLevel-HPatH-14
        YES_OR_NO, // profileAndLevel-HPatHL
        may("videoBitRate", &LONG),
        may("vbvBufferSize", &LONG),
        may("samplesPerLine", &TWO_OCTETS),
        may("linesPerFrame", &TWO_OCTETS),
        may("framesPerSecond", &NUMBER_OF_16),
        may("luminanceSampleRate", &LONG),
    ],
    &[passed("videoBadMBsCap")],
);

static H263: Type = extensible(
    &[
        may("sqcifMPI", &NUMBER_OF_32),
        may("qcifMPI", &NUMBER_OF_32),
        may("cifMPI", &NUMBER_OF_32),
        may("cif4MPI", &NUMBER_OF_32),
        may("cif16MPI", &NUMBER_OF_32),
        is("maxBitRate", &LONG_FROM_1),
        is("unrestrictedVector", &BOOLEAN),
        is("arithmeticCoding", &BOOLEAN),
        is("advancedPrediction", &BOOLEAN),
        is("pbFrames", &BOOLEAN),
        is("temporalSpatialTradeOffCapability", &BOOLEAN),
        may("hrd-B", &LONG),
        may("bppMaxKb", &TWO_OCTETS),
    ],
    &[
        passed("slowSqcifMPI"),
        passed("slowQcifMPI"),
        passed("slowCifMPI"),
        passed("slowCif4MPI"),
        passed("slowCif16MPI"),
        passed("errorCompensation"),
        passed("enhancementLayerInfo"),
        passed("h263Options"),
    ],
);

static IS11172_VIDEO: Type = extensible(
    &[
        is("constrainedBitstream", &BOOLEAN),
        may("videoBitRate", &LONG),
        may("vbvBufferSize", &LONG),
        may("samplesPerLine", &TWO_OCTETS),
        may("linesPerFrame", &TWO_OCTETS),
        may("pictureRate", &NUMBER_OF_16),
        may("luminanceSampleRate", &LONG),
    ],
    &[passed("videoBadMBsCap")],
);

static VIDEO: Type = open_choice(
    &[
        is("nonStandard", &H245_NON_STANDARD),
        is("h261VideoCapability", &H261),
        is("h262VideoCapability", &H262),
        is("h263VideoCapability", &H263),
        is("is11172VideoCapability", &IS11172_VIDEO),
    ],
    &[passed("genericVideoCapability")],
);

static G7231: Type =
    sequence(&[is("maxAl-sduAudioFrames", &OCTET), is("silenceSuppression", &BOOLEAN)]);

static IS11172_AUDIO: Type = extensible(
    &[
        YES_OR_NO, // audioLayer1
        YES_OR_NO, // audioLayer2
        YES_OR_NO, // audioLayer3
        YES_OR_NO, // audioSampling32k
        YES_OR_NO, // audioSampling44k1
        YES_OR_NO, // audioSampling48k
        YES_OR_NO, // singleChannel
        YES_OR_NO, // twoChannels
        is("bitRate", &TWO_OCTETS),
    ],
    &[],
);

static IS13818_AUDIO: Type = extensible(
    &[
        YES_OR_NO, // audioLayer1
        YES_OR_NO, // audioLayer2
        YES_OR_NO, // audioLayer3
        YES_OR_NO, // audioSampling16k
        YES_OR_NO, // audioSampling22k05
        YES_OR_NO, // audioSampling24k
        YES_OR_NO, // audioSampling32k
        YES_OR_NO, // audioSampling44k1
        YES_OR_NO, // audioSampling48k
        YES_OR_NO, // singleChannel
        YES_OR_NO, // twoChannels
        YES_OR_NO, // threeChannels2-1
        YES_OR_NO, // threeChannels3-0
        YES_OR_NO, // fourChannels2-0-2-0
        YES_OR_NO, // fourChannels2-2
        YES_OR_NO, // fourChannels3-1
        YES_OR_NO, // fiveChannels3-0-2-0
        YES_OR_NO, // fiveChannels3-2
        YES_OR_NO, // lowFrequencyEnhancement
        YES_OR_NO, // multilingual
        is("bitRate", &TWO_OCTETS),
    ],
    &[],
);

static AUDIO: Type = open_choice(
    &[
        is("nonStandard", &H245_NON_STANDARD),
        is("g711Alaw64k", &OCTET),
        is("g711Alaw56k", &OCTET),
        is("g711Ulaw64k", &OCTET),
        is("g711Ulaw56k", &OCTET),
        is("g722-64k", &OCTET),
        is("g722-56k", &OCTET),
        is("g722-48k", &OCTET),
        is("g7231", &G7231),
        is("g728", &OCTET),
        is("g729", &OCTET),
        is("g729AnnexA", &OCTET),
        is("is11172AudioCapability", &IS11172_AUDIO),
        is("is13818AudioCapability", &IS13818_AUDIO),
    ],
    &[
        passed("g729wAnnexB"),
        passed("g729AnnexAwAnnexB"),
        passed("g7231AnnexCCapability"),
        passed("gsmFullRate"),
        passed("gsmHalfRate"),
        passed("gsmEnhancedFullRate"),
        passed("genericAudioCapability"),
        passed("g729Extensions"),
    ],
);

/// DataProtocolCapability
static PROTOCOL: Type = open_choice(
    &[
        is("nonStandard", &H245_NON_STANDARD),
        is("v14buffered", &NULL),
        is("v42lapm", &NULL),
        is("hdlcFrameTunnelling", &NULL),
        is("h310SeparateVCStack", &NULL),
        is("h310SingleVCStack", &NULL),
        is("transparent", &NULL),
    ],
    &[
        passed("segmentationAndReassembly"),
        passed("hdlcFrameTunnelingwSAR"),
        passed("v120"),
        passed("separateLANStack").chosen(Mark::T120),
        passed("v76wCompression"),
        passed("tcp"),
        passed("udp"),
    ],
);

static T84_RESTRICTED: Type = extensible(
    &[
        YES_OR_NO, // qcif
        YES_OR_NO, // cif
        YES_OR_NO, // ccir601Seq
        YES_OR_NO, // ccir601Prog
        YES_OR_NO, // hdtvSeq
        YES_OR_NO, // hdtvProg
        YES_OR_NO, // g3FacsMH200x100
        YES_OR_NO, // g3FacsMH200x200
        YES_OR_NO, // g4FacsMMR200x100
        YES_OR_NO, // g4FacsMMR200x200
        YES_OR_NO, // jbig200x200Seq
        YES_OR_NO, // jbig200x200Prog
        YES_OR_NO, // jbig300x300Seq
        YES_OR_NO, // jbig300x300Prog
        YES_OR_NO, // digPhotoLow
        YES_OR_NO, // digPhotoMedSeq
        YES_OR_NO, // digPhotoMedProg
        YES_OR_NO, // digPhotoHighSeq
        YES_OR_NO, // digPhotoHighProg
    ],
    &[],
);

static T84_PROFILE: Type =
    choice(&[is("t84Unrestricted", &NULL), is("t84Restricted", &T84_RESTRICTED)]);

static T84: Type = sequence(&[is("t84Protocol", &PROTOCOL), is("t84Profile", &T84_PROFILE)]);

static NLPID: Type = sequence(&[is("nlpidProtocol", &PROTOCOL), is("nlpidData", &OCTETS)]);

static APPLICATION: Type = open_choice(
    &[
        is("nonStandard", &H245_NON_STANDARD),
        is("t120", &PROTOCOL).reads(),
        is("dsm-cc", &PROTOCOL),
        is("userData", &PROTOCOL),
        is("t84", &T84),
        is("t434", &PROTOCOL),
        is("h224", &PROTOCOL),
        is("nlpid", &NLPID),
        is("dsvdControl", &NULL),
        is("h222DataPartitioning", &PROTOCOL),
    ],
    &[passed("t30fax"), passed("t140"), passed("t38fax"), passed("genericDataCapability")],
);

/// DataApplicationCapability
static DATA: Type =
    extensible(&[is("application", &APPLICATION).reads(), is("maxBitRate", &LONG)], &[]);

static ENCRYPTION_MODE: Type =
    open_choice(&[is("nonStandard", &H245_NON_STANDARD), is("h233Encryption", &NULL)], &[]);
