"""Builds reach package registries as this machine does, and nothing else of the machine leaks into them."""

from __future__ import annotations

import pytest

from local import images_host

DEB822 = """
Types: deb deb-src
URIs: http://mirror.example/debian/
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
"""
DISABLED = DEB822.replace("Types:", "Enabled: no\nTypes:")


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        pytest.param([DEB822], "http://mirror.example/debian", id="deb822 stanza"),
        pytest.param(
            ["deb [arch=amd64 signed-by=/k.gpg] https://m.example/d bookworm main\n"],
            "https://m.example/d",
            id="one line with options",
        ),
        pytest.param(["deb https://m.example/d stable contrib main\n"], "https://m.example/d", id="by suite name"),
        pytest.param(["# deb https://m.example/d bookworm main\n"], None, id="commented out"),
        pytest.param([DISABLED], None, id="disabled stanza"),
        pytest.param(["deb https://m.example/s bookworm-security main\n"], None, id="only security updates"),
        pytest.param(["deb https://m.example/node nodistro main\n"], None, id="only another vendor's packages"),
        pytest.param(["deb cdrom:[Debian]/ bookworm main\n"], None, id="only the installation disc"),
        pytest.param(["", "deb https://m.example/d bookworm main\n"], "https://m.example/d", id="second file"),
    ],
)
def test_the_base_image_comes_from_the_machines_own_mirror(sources: list[str], expected: str | None) -> None:
    assert images_host.mirror(sources, "bookworm") == expected


def test_a_private_package_index_and_its_proxy_reach_the_build() -> None:
    listing = "global.index-url='https://u:p@index.example/simple'\n:env:.proxy='http://proxy.example:3128'\n"
    text = images_host.pip_configuration(listing, with_ca=True)
    assert "index-url = https://u:p@index.example/simple\n" in text
    assert "proxy = http://proxy.example:3128\n" in text
    assert "cert = /run/secrets/ca\n" in text


def test_pip_settings_that_name_local_files_stay_out_of_the_build() -> None:
    listing = ":env:.cert='/etc/own-ca.pem'\nglobal.find-links='/opt/wheels'\nglobal.target='/opt/x'\n"
    assert images_host.pip_configuration(listing, with_ca=False) == "[global]\n"


def test_several_extra_indexes_are_one_setting() -> None:
    text = images_host.pip_configuration(
        "global.extra-index-url='https://a.example\\nhttps://b.example'\n", with_ca=False
    )
    assert text == "[global]\nextra-index-url = https://a.example\n    https://b.example\n"


def test_apt_takes_the_proxy_along_but_no_path_of_this_machine() -> None:
    dump = (
        'Acquire::http::Proxy "http://proxy.example:3128";\n'
        'Acquire::https::mirror.example::Proxy "DIRECT";\n'
        'Acquire::https::CAInfo "/etc/own-ca.pem";\n'
        'Dir::Etc "etc/apt";\n'
    )
    assert images_host.apt_configuration(dump, with_ca=False).splitlines() == [
        'Acquire::http::Proxy "http://proxy.example:3128";',
        'Acquire::https::mirror.example::Proxy "DIRECT";',
    ]
