package broker

import (
	"encoding/binary"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

// markerTime is how many characters of a marker are the time. They have 5 bits
// each, which is enough until the year 3058.
const markerTime = 7

// NewMarker returns a marker for an app client that is created at that time: 26
// characters of [a-z2-7]. The first 7 are the time in seconds, so that the
// names of app clients show their age; the others are random.
func NewMarker(at time.Time) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(at.Unix())<<(64-5*markerTime))
	return credential.Encoding.EncodeToString(b[:])[:markerTime] + credential.NewID()[markerTime:]
}

// MarkedAt returns the time that a marker contains, or false if it is not a
// marker of NewMarker.
func MarkedAt(marker string) (time.Time, bool) {
	if len(marker) != 26 {
		return time.Time{}, false
	}
	b, err := credential.Encoding.DecodeString(marker[:markerTime] + "a") // 40 bits
	if err != nil {
		return time.Time{}, false
	}
	seconds := int64(b[0])<<27 | int64(b[1])<<19 | int64(b[2])<<11 | int64(b[3])<<3 | int64(b[4])>>5
	return time.Unix(seconds, 0).UTC(), true
}
