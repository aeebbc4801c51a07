package units

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// began is the time on the programs' clock when a deployment begins. It is ten
// minutes past an hour, so that a run does not reach the next one, and in the
// future, so that the clock is only set forward. Its Unix time ends in 07: a time
// that ends in 00 takes a byte less in DynamoDB.
var began = time.Date(2035, time.January, 1, 0, 10, 7, 0, time.UTC)

// clockVariable tells a program how many seconds its clock is ahead.
const clockVariable = "CLOCK_AHEAD"

// ahead is added to Go's package time. The package cannot import strconv.
const ahead = `package time

import "syscall"

var ahead = func() int64 {
	seconds, _ := syscall.Getenv("` + clockVariable + `")
	n, _ := atoi(seconds)
	return int64(n)
}()
`

// reading is how package time reads the system's clock. The second value of the
// wall clock is set forward, the monotonic clock is not, so that durations stay.
var (
	reading = []byte("\tsec, nsec, mono := runtimeNow()\n")
	shifted = []byte("\tsec, nsec, mono := runtimeNow()\n\tsec += ahead\n")
)

// setClock writes files for `go build -overlay`, which give a program a clock
// that can be set forward, and returns the path of the overlay. goroot is the
// directory of Go.
func setClock(goroot, dir string) (string, error) {
	source := filepath.Join(goroot, "src", "time", "time.go")
	text, err := os.ReadFile(source)
	if err != nil {
		return "", err
	}
	if !bytes.Contains(text, reading) {
		return "", errors.New("time.Now of this version of Go is not known: change clock.go")
	}
	replaced, added, overlay := filepath.Join(dir, "time.go"), filepath.Join(dir, "ahead.go"), filepath.Join(dir, "overlay.json")
	document, err := json.Marshal(map[string]map[string]string{"Replace": {
		source: replaced,
		filepath.Join(goroot, "src", "time", "ahead.go"): added,
	}})
	if err != nil {
		return "", err
	}
	return overlay, errors.Join(
		os.WriteFile(replaced, bytes.ReplaceAll(text, reading, shifted), 0o644),
		os.WriteFile(added, []byte(ahead), 0o644),
		os.WriteFile(overlay, document, 0o644))
}

func inSeconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }

// nextSecond waits for the beginning of a second, on this clock and on those of
// the programs.
func nextSecond() { time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second))) }
