package lambdahttp

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

// Serve runs a function behind the HTTP API: it serves the events of the Lambda
// runtime API with h, one after the other. With an error the function cannot
// start, and the process ends. Serve does not return.
func Serve(h http.Handler, err error) {
	if err != nil {
		fail(err)
	}
	lambda.Start(New(h))
}

// Invoke is Serve for a function with other events. handler is a function that
// lambda.Start accepts.
func Invoke(handler any, err error) {
	if err != nil {
		fail(err)
	}
	lambda.Start(handler)
}

// fail ends a process that cannot start, with status 1. It writes one line of
// JSON to the log, with every line of the error as an entry of "faults". It also
// reports the error to the runtime API, which aws-lambda-go does not do: an
// operator who invokes the function by hand then sees the reason and not only
// the exit.
func fail(err error) {
	faults := strings.Split(err.Error(), "\n")
	slog.New(slog.NewJSONHandler(os.Stderr, nil)).Error("cannot start", "faults", faults)
	if api := os.Getenv("AWS_LAMBDA_RUNTIME_API"); api != "" {
		reportInitError(api, strings.Join(faults, "; "))
	}
	os.Exit(1)
}

// reportInitError ignores its own errors, because the log already has the
// message.
func reportInitError(api, message string) {
	const kind = "Function.InvalidConfiguration"
	body, err := json.Marshal(struct {
		Message string `json:"errorMessage"`
		Type    string `json:"errorType"`
	}{message, kind})
	if err != nil {
		return
	}
	req, err := http.NewRequest(http.MethodPost, "http://"+api+"/2018-06-01/runtime/init/error", bytes.NewReader(body))
	if err != nil {
		return
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Lambda-Runtime-Function-Error-Type", kind)
	client := &http.Client{Transport: &http.Transport{}, Timeout: 2 * time.Second} // never through a proxy
	res, err := client.Do(req)
	if err != nil {
		return
	}
	io.Copy(io.Discard, res.Body)
	res.Body.Close()
}
