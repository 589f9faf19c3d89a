package modbus

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/linshao/linshao/edge/internal/device"
)

// decoder turns the bytes of one value, as they came over the wire, into a
// number. It is made once for each point and holds no state.
type decoder struct {
	kind   device.Type
	order  device.Order
	bytes  int
	mask   uint64
	shift  int
	width  int // of the field, in bits
	scale  float64
	divide float64 // 1/scale where that is a whole number, else 0
	offset float64
}

func newDecoder(q device.Point) decoder {
	d := decoder{
		kind: q.Type, order: q.Order, bytes: 2 * q.Type.Registers(), mask: q.Mask,
		width: 16 * q.Type.Registers(), scale: q.Scale, offset: q.Offset,
	}
	if d.mask == 0 {
		d.mask = math.MaxUint64
	} else if d.kind != device.Bool {
		d.shift = bits.TrailingZeros64(d.mask)
		d.width = bits.Len64(d.mask) - d.shift
	}
	// 30 tenths are 3, not 3.0000000000000004.
	if n := math.Round(1 / d.scale); n > 1 && n < 1e9 && math.Abs(1/d.scale-n) < 1e-9*n {
		d.divide = n
	}
	return d
}

// word returns the value's bits: put into order, masked, shifted down. A bool
// is 0 or 1.
func (d decoder) word(raw []byte) uint64 {
	var b [8]byte
	n := copy(b[:], raw[:d.bytes])
	arrange(b[:n], d.order)
	var w uint64
	switch n {
	case 2:
		w = uint64(binary.BigEndian.Uint16(b[:]))
	case 4:
		w = uint64(binary.BigEndian.Uint32(b[:]))
	default:
		w = binary.BigEndian.Uint64(b[:])
	}
	w = w & d.mask >> d.shift
	if d.kind == device.Bool && w != 0 {
		return 1
	}
	return w
}

// arrange turns what came in the given order into most significant first.
func arrange(b []byte, order device.Order) {
	if order == device.BADC || order == device.DCBA {
		for i := 0; i < len(b); i += 2 {
			b[i], b[i+1] = b[i+1], b[i]
		}
	}
	if order == device.CDAB || order == device.DCBA {
		for i, j := 0, len(b)-2; i < j; i, j = i+2, j-2 {
			b[i], b[i+1], b[j], b[j+1] = b[j], b[j+1], b[i], b[i+1]
		}
	}
}

// number turns a word into the point's unit. Integers beyond 2^53 lose their
// last digits, as every float64 does. The result may be NaN or infinite where
// the device's float is.
func (d decoder) number(w uint64) float64 {
	var v float64
	switch d.kind {
	case device.Bool, device.Bits:
		return float64(w)
	case device.Float32:
		v = float64(math.Float32frombits(uint32(w)))
	case device.Float64:
		v = math.Float64frombits(w)
	case device.Int16, device.Int32, device.Int64:
		v = float64(int64(w<<(64-d.width)) >> (64 - d.width))
	default:
		v = float64(w)
	}
	if d.divide != 0 {
		return v/d.divide + d.offset
	}
	return v*d.scale + d.offset
}
