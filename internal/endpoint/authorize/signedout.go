package authorize

import "net/http"

// signedOut is GET /signed-out, where the browser arrives after Cognito signed it
// out: it redirects to the sign-in of the newest transaction that waits for that.
// Without one it shows that the user is signed out.
func (e *Endpoint) signedOut(w http.ResponseWriter, r *http.Request) {
	j := e.cookies.of(r)
	for _, s := range j.switched() {
		signInURL, err := e.flow.Resume(r.Context(), s)
		if err != nil {
			e.showProblem(w, r, err)
			return
		}
		if signInURL != "" {
			j.resumed(s)
			j.write(w)
			redirect(w, signInURL)
			return
		}
	}
	e.pages(r).SignedOut(w, languages(r, ""))
}
