package authorize

import "net/http"

// signedOut is GET /signed-out, where the browser arrives after Cognito signed it
// out: it redirects to the sign-in of the new transaction. Without one it shows
// that the user is signed out.
func (e *Endpoint) signedOut(w http.ResponseWriter, r *http.Request) {
	signInURL, err := e.flow.Resume(r.Context(), e.cookies.read(r))
	switch {
	case err != nil:
		e.showProblem(w, r, err)
	case signInURL != "":
		redirect(w, signInURL)
	default:
		e.pages(r).SignedOut(w, languages(r, ""))
	}
}
