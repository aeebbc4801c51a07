package broker

import (
	"encoding/binary"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

// markerTime is how many characters of a marker are the time. Of 5 bits each
// they reach to the year 3058.
const markerTime = 7

// NewMarker returns a marker for an app client that is made at that time: 26
// characters of [a-z2-7], of which the first 7 are the time in seconds, so that
// the age of an app client can be told from the list of names, and the rest are
// random.
func NewMarker(at time.Time) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(at.Unix())<<(64-5*markerTime))
	return credential.Encoding.EncodeToString(b[:])[:markerTime] + credential.NewID()[markerTime:]
}

// MarkedAt returns when the marker was made, or false if it is none of
// NewMarker's.
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
