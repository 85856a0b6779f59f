#!/usr/bin/env bash
# Errors of a token endpoint built with go-oauth2: an unknown client gives 500 server_error (RFC 6749 section 5.2: 401 invalid_client), a
# refresh token that is not known and a grant type that is not supported give 401 (400 there). A client that retries on 5xx goes on
# asking with a mistyped client id.
set -euo pipefail
cd "$(mktemp -d)"

cat > main.go <<'END'
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/go-oauth2/oauth2/v4"
	"github.com/go-oauth2/oauth2/v4/manage"
	"github.com/go-oauth2/oauth2/v4/models"
	"github.com/go-oauth2/oauth2/v4/server"
	"github.com/go-oauth2/oauth2/v4/store"
)

func main() {
	manager := manage.NewDefaultManager()
	manager.MustTokenStorage(store.NewMemoryTokenStore())
	clients := store.NewClientStore()
	clients.Set("shop", &models.Client{ID: "shop", Secret: "s"})
	manager.MapClientStorage(clients)
	tokens := server.NewDefaultServer(manager)
	tokens.SetAllowedGrantType(oauth2.ClientCredentials, oauth2.Refreshing)
	tokens.SetClientInfoHandler(server.ClientBasicHandler)
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tokens.HandleTokenRequest(w, r)
	}))
	defer endpoint.Close()

	ask := func(name, id, secret string, form url.Values) {
		request, _ := http.NewRequest("POST", endpoint.URL, strings.NewReader(form.Encode()))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.SetBasicAuth(id, secret)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			panic(err)
		}
		var body struct{ Error string }
		json.NewDecoder(response.Body).Decode(&body)
		fmt.Println("go-oauth2 4.5.4,", name+":", response.StatusCode, body.Error)
	}
	ask("known client", "shop", "s", url.Values{"grant_type": {"client_credentials"}})
	ask("wrong secret", "shop", "x", url.Values{"grant_type": {"client_credentials"}})
	ask("unknown client", "kiosk", "s", url.Values{"grant_type": {"client_credentials"}})
	ask("unknown refresh token", "shop", "s", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"gone"}})
	ask("unsupported grant type", "shop", "s", url.Values{"grant_type": {"device_code"}})
}
END

{ go mod init finding && go get github.com/go-oauth2/oauth2/v4@v4.5.4 && go mod tidy; } > go.log 2>&1
go run . | sed 's/ *$//' | tee seen.txt
diff seen.txt - <<'END'
go-oauth2 4.5.4, known client: 200
go-oauth2 4.5.4, wrong secret: 401 invalid_client
go-oauth2 4.5.4, unknown client: 500 server_error
go-oauth2 4.5.4, unknown refresh token: 401 invalid_grant
go-oauth2 4.5.4, unsupported grant type: 401 unsupported_grant_type
END
