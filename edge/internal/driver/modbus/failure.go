package modbus

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/goburrow/modbus"
)

// Reasons why a read failed. They appear in Samples and as metric labels, so
// the set is closed; an exception is "exception_01" to "exception_11" or
// "exception_other".
const (
	reasonTimeout        = "timeout"         // no answer in time
	reasonShortFrame     = "short_frame"     // the answer stopped in its middle
	reasonBadTransaction = "bad_transaction" // the answer to another request
	reasonBadProtocol    = "bad_protocol"
	reasonBadUnit        = "bad_unit"
	reasonBadFunction    = "bad_function"
	reasonBadLength      = "bad_length" // the header's length cannot be
	reasonBadCount       = "bad_count"  // more or fewer values than asked
	reasonClosed         = "closed"     // the device hung up
	reasonReset          = "reset"
	reasonRefused        = "refused"
	reasonUnreachable    = "unreachable"
	reasonConnectTimeout = "connect_timeout"
	reasonConnect        = "connect_failed"
	reasonIO             = "io_error"
	reasonNotAllowed     = "not_allowed" // a function code that does not read
)

// failure is a read that brought no value.
type failure struct {
	reason string
	// dialing: there is no connection, so it is the line and not the unit.
	dialing bool
	err     error
}

func (f *failure) Error() string { return fmt.Sprintf("%s: %v", f.reason, f.err) }

func (f *failure) Unwrap() error { return f.err }

func fail(reason, format string, args ...any) *failure {
	return &failure{reason: reason, err: fmt.Errorf(format, args...)}
}

// reasonOf returns the reason of any error of a read.
func reasonOf(err error) string {
	var f *failure
	if errors.As(err, &f) {
		return f.reason
	}
	var x *modbus.ModbusError
	if errors.As(err, &x) {
		if x.ExceptionCode == 0 || x.ExceptionCode > 11 {
			return "exception_other"
		}
		return fmt.Sprintf("exception_%02d", x.ExceptionCode)
	}
	return reasonIO
}

// connectionFailure names what ended an exchange of which got bytes had come.
func connectionFailure(err error, got int) *failure {
	reason := reasonIO
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) && got == 0:
		reason = reasonTimeout
	case got > 0:
		reason = reasonShortFrame
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrClosedPipe):
		reason = reasonClosed
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		reason = reasonReset
	}
	return &failure{reason: reason, err: err}
}

func dialFailure(err error) *failure {
	reason := reasonConnect
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		reason = reasonRefused
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		reason = reasonUnreachable
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		reason = reasonConnectTimeout
	}
	return &failure{reason: reason, dialing: true, err: err}
}

// checkReply says whether a whole frame answers this very request: the ids,
// the function code or its exception, and exactly as many values as asked.
// goburrow's own checks leave the last two open.
func checkReply(request, reply []byte) *failure {
	switch {
	case !bytes.Equal(reply[:2], request[:2]):
		return fail(reasonBadTransaction, "asked with transaction % x, answered with % x", request[:2], reply[:2])
	case !bytes.Equal(reply[2:4], request[2:4]):
		return fail(reasonBadProtocol, "protocol id % x", reply[2:4])
	case reply[6] != request[6]:
		return fail(reasonBadUnit, "asked unit %d, unit %d answered", request[6], reply[6])
	case reply[7] == request[7]|0x80:
		if len(reply) != 9 {
			return fail(reasonBadLength, "an exception of %d bytes", len(reply))
		}
		return nil
	case reply[7] != request[7]:
		return fail(reasonBadFunction, "asked function %d, answered %d", request[7], reply[7])
	}
	want := int(binary.BigEndian.Uint16(request[10:]))
	if request[7] <= 2 {
		want = (want + 7) / 8
	} else {
		want *= 2
	}
	if len(reply) != 9+want || int(reply[8]) != want {
		return fail(reasonBadCount, "asked %d bytes, the answer has %d and says %d", want, len(reply)-9, reply[8])
	}
	return nil
}
