//! Every kernel against its twin, at odd sizes and large magnitudes; in another order of workgroups with junk in
//! their memory; a row against the same row in other company; and what both could get wrong together.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "kernels/mod.rs"]
mod kernels;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use fathom_engine::DeviceRequest;
use fathom_engine::kernels::ALL;
use pollster::block_on;

use kernels::{Devices, for_each_test};

static DEVICES: LazyLock<Devices> = LazyLock::new(|| match block_on(Devices::open(&DeviceRequest::Gpu)) {
    Ok(devices) => devices,
    Err(error) => panic!("{error}; on Debian: apt-get install mesa-vulkan-drivers"),
});

macro_rules! native {
    ($($module:ident::$test:ident,)*) => {
        $(
            #[test]
            fn $test() {
                block_on(kernels::$module::$test(&DEVICES));
            }
        )*

        /// Seen on the processor against itself, because the tests above run side by side.
        #[test]
        fn every_kernel_is_compared() {
            let on = block_on(Devices::open(&DeviceRequest::Cpu)).expect("the processor");
            $(block_on(kernels::$module::$test(&on));)*
            let compared: BTreeSet<&str> = on.compared().into_iter().collect();
            assert_eq!(compared, ALL.iter().map(|kernel| kernel.shader.name).collect());
        }
    };
}
for_each_test!(native);
