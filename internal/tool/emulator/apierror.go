package emulator

import (
	"fmt"
	"net/http"
)

// apiError is an error of the control plane: the name of the exception in the
// service model, and its message.
type apiError struct {
	name    string
	message string
}

func (e *apiError) Error() string { return e.name + ": " + e.message }

func apiErrorf(name, format string, args ...any) *apiError {
	return &apiError{name: name, message: fmt.Sprintf(format, args...)}
}

func invalidParameter(format string, args ...any) *apiError {
	return apiErrorf("InvalidParameterException", format, args...)
}

func invalidOAuthFlow(format string, args ...any) *apiError {
	return apiErrorf("InvalidOAuthFlowException", format, args...)
}

func notFound(format string, args ...any) *apiError {
	return apiErrorf("ResourceNotFoundException", format, args...)
}

func noSuchClient(id string) *apiError { return notFound("User pool client %s does not exist.", id) }

// status returns the HTTP status of the exception. In the JSON 1.1 protocol
// every error of the caller is a 400, also a throttled call.
func (e *apiError) status() int {
	switch e.name {
	case "InternalErrorException", "InternalServerException":
		return http.StatusInternalServerError
	}
	return http.StatusBadRequest
}
