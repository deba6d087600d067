"""The choice of ports."""

from __future__ import annotations

import socket

from seedgate.services.ports import HOST, Ports, is_free


def free_port() -> int:
    with socket.create_server((HOST, 0)) as server:
        return int(server.getsockname()[1])


def test_the_preferred_port_is_taken_when_it_is_free() -> None:
    port = free_port()
    assert Ports({}).claim("argilla", port) == port


def test_a_port_in_use_is_not_free() -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
        assert Ports({}).claim("argilla", port) != port
    assert is_free(port)


def test_a_port_that_is_in_use_on_all_addresses_is_not_free() -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:
        assert not is_free(server.getsockname()[1])


def test_a_port_is_free_while_its_last_connection_waits_out_its_time() -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection((HOST, port))
        accepted, _ = server.accept()
        accepted.close()  # this side closes first, and keeps the port in TIME_WAIT
        client.close()
    assert is_free(port)


def test_the_remembered_port_comes_before_the_preferred_one() -> None:
    remembered, preferred = free_port(), free_port()
    assert Ports({"argilla": remembered}).claim("argilla", preferred) == remembered


def test_the_preferred_port_is_next_when_the_remembered_one_is_in_use() -> None:
    preferred = free_port()
    with socket.create_server((HOST, 0)) as server:
        ports = Ports({"argilla": server.getsockname()[1]})
        assert ports.claim("argilla", preferred) == preferred


def test_our_own_running_service_keeps_its_port() -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        assert Ports({"argilla": port}, in_use_by_us=["argilla"]).claim("argilla", 6900) == port


def test_two_services_never_get_the_same_port() -> None:
    port = free_port()
    ports = Ports({})
    assert ports.claim("argilla", port) == port
    assert ports.claim("vllm", port) != port
    assert len({ports.claim(str(number)) for number in range(50)}) == 50


def test_a_claim_is_repeated_with_the_same_answer() -> None:
    ports = Ports({})
    assert ports.claim("redis") == ports.claim("redis") == ports.chosen["redis"]


def test_a_forgotten_port_is_chosen_again() -> None:
    port = free_port()
    ports = Ports({"vllm": port})
    ports.forget("vllm")
    assert ports.chosen == {}
    with socket.create_server((HOST, port)):
        assert ports.claim("vllm", port) != port
