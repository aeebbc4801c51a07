package functions

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
	"github.com/dcr-broker/dcr-broker/test/permissions"
)

// keysSecret is the name of the secret with the keys.
const keysSecret = "arn:aws:secretsmanager:us-east-1:123456789012:secret:Keys-AbCdEf"

// secretsManager starts a fake of Secrets Manager with the keys, as it creates
// them from the template's settings. Requests to AWS's own host name reach it
// through a proxy, and the functions trust its certificate.
func (w *world) secretsManager() {
	w.t.Helper()
	const host = "secretsmanager.us-east-1.amazonaws.com"
	keys := `{"version":1,"seed":"` + strings.Repeat("0aZ9", 16) + `"}`
	if _, err := seal.Parse([]byte(keys)); err != nil {
		w.t.Fatal(err)
	}
	aws := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.t.Error(err)
			return
		}
		got := r.Host + " " + r.Method + " " + r.URL.Path + " " + r.Header.Get("X-Amz-Target") + " " + string(body)
		if got != host+` POST / secretsmanager.GetSecretValue {"SecretId":"`+keysSecret+`"}` {
			w.t.Errorf("unexpected call of AWS: %s", got)
			http.Error(rw, "{}", http.StatusBadRequest)
			return
		}
		w.record(caller(r), "secretsmanager:GetSecretValue", permissions.Keys)
		json.NewEncoder(rw).Encode(map[string]string{"SecretString": keys})
	}))
	authority := newAuthority(w.t)
	aws.TLS = &tls.Config{GetCertificate: authority.certificate}
	aws.StartTLS()
	w.t.Cleanup(aws.Close)

	proxy := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != host+":443" {
			w.t.Errorf("a function sent %s %s to the proxy, want CONNECT to Secrets Manager", r.Method, r.Host)
			http.Error(rw, "no", http.StatusForbidden)
			return
		}
		tunnel(w.t, rw, aws.Listener.Addr().String())
	}))
	w.t.Cleanup(proxy.Close)
	w.env["HTTPS_PROXY"], w.env["SSL_CERT_FILE"] = proxy.URL, authority.file
	w.env["KEYS"] = "secretsmanager:" + keysSecret
}

// tunnel connects the connection of a CONNECT request with the address.
func tunnel(t *testing.T, rw http.ResponseWriter, to string) {
	up, err := net.Dial("tcp", to)
	if err != nil {
		t.Error(err)
		return
	}
	defer up.Close()
	down, buffered, err := rw.(http.Hijacker).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	defer down.Close()
	io.WriteString(down, "HTTP/1.1 200 OK\r\n\r\n")
	go func() {
		io.Copy(up, buffered)
		up.(*net.TCPConn).CloseWrite()
	}()
	io.Copy(down, up)
}

// authority is a certificate authority that signs certificates for any host.
type authority struct {
	file string // the file with its own certificate
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "tests"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{file: filepath.Join(t.TempDir(), "ca.pem"), cert: cert, key: key}
	if err := os.WriteFile(a.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *authority) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: hello.ServerName}, DNSNames: []string{hello.ServerName},
		NotBefore: a.cert.NotBefore, NotAfter: a.cert.NotAfter, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &a.key.PublicKey, a.key)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.key}, err
}
