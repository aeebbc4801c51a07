package httpapi

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
)

// ReadBody returns the whole body, which must be of the media type want and at
// most limit bytes. The error is an *Error.
func ReadBody(r *http.Request, want string, limit int) ([]byte, error) {
	if types := r.Header.Values("Content-Type"); len(types) != 1 || !isMediaType(types[0], want) {
		return nil, unsupportedMediaType(want)
	}
	if r.ContentLength > int64(limit) {
		return nil, PayloadTooLarge(limit)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, int64(limit)+1))
	if err != nil {
		return nil, &Error{Status: http.StatusBadRequest, Code: "invalid_request", Description: "the body could not be read", Cause: err}
	}
	if len(body) > limit {
		return nil, PayloadTooLarge(limit)
	}
	return body, nil
}

// isMediaType compares type and subtype. It allows only the parameter that
// clients send in practice, charset=utf-8.
func isMediaType(header, want string) bool {
	got, params, err := mime.ParseMediaType(header)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return false
	}
	charset, ok := params["charset"]
	return got == want && (!ok || strings.EqualFold(charset, "utf-8"))
}

// PayloadTooLarge is the error for a body of more than limit bytes.
func PayloadTooLarge(limit int) *Error {
	return &Error{Status: http.StatusRequestEntityTooLarge, Code: "invalid_request", Description: fmt.Sprintf("the body is larger than %d bytes", limit)}
}

// unsupportedMediaType is the error for a body whose media type is not want.
func unsupportedMediaType(want string) *Error {
	return &Error{Status: http.StatusUnsupportedMediaType, Code: "invalid_request", Description: "the Content-Type must be " + want}
}
