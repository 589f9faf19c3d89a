// Package limit holds every bound on size and count that both sides must
// agree on, with its unit and the reason for the figure. Nothing outside the
// process is allocated for before one of these was checked.
package limit

const (
	// MaxDevicePacketBytes bounds one MQTT packet from a device. A full
	// VDA 5050 state is about 20 KiB; 64 KiB leaves room and keeps a
	// flood of half-sent packets small.
	MaxDevicePacketBytes = 64 << 10

	// MaxEnvelopeBytes bounds one compressed Envelope on the wire.
	MaxEnvelopeBytes = 1 << 20

	// MaxEnvelopeDecodedBytes bounds what an Envelope may inflate to: zstd
	// reaches ratios where 1 MiB could ask for gigabytes.
	MaxEnvelopeDecodedBytes = 16 << 20

	// MaxEnvelopeSamples bounds the Samples of one Envelope; at 3 B each it
	// stays far below MaxEnvelopeBytes.
	MaxEnvelopeSamples = 100_000

	// MaxTransitionsPerEnvelope keeps an alarm Envelope inside one short
	// relational transaction.
	MaxTransitionsPerEnvelope = 500

	// MaxRanges bounds the Sequence ranges of one Envelope, Receipt or gap list.
	MaxRanges = 4096

	// MaxSamplesPerMessage bounds one telemetry message of a device.
	MaxSamplesPerMessage = 4096

	// MaxEventDataBytes bounds the free JSON object of an event.
	MaxEventDataBytes = 4 << 10

	// MaxNameBytes bounds device ids, metric and event names.
	MaxNameBytes = 64

	// MaxTextBytes bounds notes, reasons and text values.
	MaxTextBytes = 2 << 10

	// MaxEvidence bounds the Samples kept as evidence of one Finding.
	MaxEvidence = 64

	// MaxTopicLevels bounds the depth of an MQTT topic (deepest of ours: 6).
	MaxTopicLevels = 16

	// MaxCommandLifeMS bounds the time between a command's issue and its expiry:
	// who asked for it still stands there.
	MaxCommandLifeMS = 10_000

	// MaxWindow bounds the unsettled Envelopes of one edge. It stays far
	// below MQTT's 65,535 packet ids.
	MaxWindow = 64
)
