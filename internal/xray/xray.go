// Package xray tells AWS X-Ray of the calls that a function makes of AWS: a
// subsegment for each, below the segment that Lambda itself makes for an
// invocation. They go by UDP to the daemon that Lambda runs beside a function
// whose tracing is active.
//
// It does that one thing and does it itself, because what is published for it
// would make a function twice as large, and its start half as long again
// (docs/adr/0022-telemetry.md).
// A function whose tracing is off has none of it in the way of its calls.
//
// Left out: sampling (Lambda decides), annotations, calls that do not go through
// the SDK, and any notice of what the daemon did not take.
package xray

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Tracer sends subsegments. It is safe for concurrent use.
type Tracer struct{ daemon net.Conn }

// New returns a Tracer that sends to the daemon at that address, as Lambda has it
// in AWS_XRAY_DAEMON_ADDRESS: host and port. Nothing is sent yet.
func New(address string) (*Tracer, error) {
	conn, err := net.Dial("udp", address)
	if err != nil {
		return nil, fmt.Errorf("xray: %w", err)
	}
	return &Tracer{conn}, nil
}

// traceKey is where aws-lambda-go puts the header that the invocation came with.
const traceKey = "x-amzn-trace-id"

// header is that of a trace: Root=1-...;Parent=...;Sampled=1.
type header struct{ root, parent string }

// sampled returns the header of the invocation that ctx belongs to, if its trace
// is to be kept.
func sampled(ctx context.Context) (header, bool) {
	text, _ := ctx.Value(traceKey).(string)
	var h header
	keep := false
	for part := range strings.SplitSeq(text, ";") {
		switch name, value, _ := strings.Cut(part, "="); name {
		case "Root":
			h.root = value
		case "Parent":
			h.parent = value
		case "Sampled":
			keep = value == "1"
		}
	}
	return h, keep && h.root != "" && h.parent != ""
}

// subsegment is one of X-Ray's segment documents, as far as it is used here.
type subsegment struct {
	Name      string    `json:"name"`
	ID        string    `json:"id"`
	TraceID   string    `json:"trace_id"`
	ParentID  string    `json:"parent_id"`
	Type      string    `json:"type"`
	StartTime float64   `json:"start_time"`
	EndTime   float64   `json:"end_time"`
	Namespace string    `json:"namespace"`
	AWS       call      `json:"aws"`
	HTTP      *exchange `json:"http,omitempty"`
	Error     bool      `json:"error,omitempty"`
	Fault     bool      `json:"fault,omitempty"`
	Throttle  bool      `json:"throttle,omitempty"`
}

type call struct {
	Operation string `json:"operation"`
	Region    string `json:"region,omitempty"`
	RequestID string `json:"request_id,omitempty"`
}

type exchange struct {
	Response struct {
		Status int `json:"status"`
	} `json:"response"`
}

// Add has the client whose stack it is traced. It is one of the APIOptions of an
// aws.Config.
func (t *Tracer) Add(stack *middleware.Stack) error {
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("XRay", t.trace), "Retry", middleware.After)
}

// trace is around each attempt at a call.
func (t *Tracer) trace(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
	h, ok := sampled(ctx)
	if !ok {
		return next.HandleFinalize(ctx, in)
	}
	start := time.Now()
	out, metadata, err := next.HandleFinalize(ctx, in)
	s := subsegment{
		Name: awsmiddleware.GetServiceID(ctx), ID: newID(), TraceID: h.root, ParentID: h.parent, Type: "subsegment",
		StartTime: seconds(start), EndTime: seconds(time.Now()), Namespace: "aws",
		AWS: call{Operation: awsmiddleware.GetOperationName(ctx), Region: awsmiddleware.GetRegion(ctx)},
	}
	s.AWS.RequestID, _ = awsmiddleware.GetRequestIDMetadata(metadata)
	if res, ok := awsmiddleware.GetRawResponse(metadata).(*smithyhttp.Response); ok {
		s.HTTP = new(exchange)
		s.HTTP.Response.Status = res.StatusCode
		s.Error, s.Fault = res.StatusCode/100 == 4, res.StatusCode/100 == 5
	} else {
		s.Fault = err != nil
	}
	s.Throttle = err != nil && retry.ThrottleErrorCode{Codes: retry.DefaultThrottleErrorCodes}.IsErrorThrottle(err).Bool()
	t.send(s)
	return out, metadata, err
}

// send hands s to the daemon. What it does not take is lost: a trace is no reason
// for a request to fail or to wait.
func (t *Tracer) send(s subsegment) {
	body, err := json.Marshal(s)
	if err != nil {
		return
	}
	t.daemon.Write(append([]byte("{\"format\":\"json\",\"version\":1}\n"), body...))
}

func newID() string {
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }
