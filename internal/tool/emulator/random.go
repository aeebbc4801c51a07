package emulator

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
)

const idAlphabet = "0123456789abcdefghijklmnopqrstuvwxyz"

// randomID returns n random lower-case letters and digits.
func randomID(n int) string {
	out := make([]byte, 0, n)
	buf := make([]byte, n)
	for len(out) < n {
		rand.Read(buf)
		for _, b := range buf {
			if b < 252 && len(out) < n { // 252 = 7 * 36: every character is equally likely
				out = append(out, idAlphabet[b%36])
			}
		}
	}
	return string(out)
}

// randomInt returns a random number below n, which is at most 256.
func randomInt(n int) int {
	var b [1]byte
	rand.Read(b[:])
	return int(b[0]) % n
}

func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// randomBase64 returns n random bytes in base64url without padding.
func randomBase64(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}
